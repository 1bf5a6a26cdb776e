import orders from './orders.js'

/** A business write that succeeds and is refused at COMMIT: by a foreign key that PostgreSQL checks only then. */
export default [
  ...orders,
  {
    kind: 'uncommittable',
    async confirmed({ trx, transaction }) {
      // A sequence is not rolled back, so it counts the runs.
      await trx.raw("SELECT nextval('write_runs')")
      await trx('references_to_nothing').insert({ owner: transaction.id })
    },
  },
]

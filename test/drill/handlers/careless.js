import { logged } from './run-log.js'
import { SESSION_MARKS } from './session-marks.js'

const BULK_ROWS = 100_000
const NEVER = new Promise(() => undefined)

/** Each writes a row first: of a handler that is refused, no row may remain. */
function write({ trx, transaction }, step) {
  return trx('careless_writes').insert({ tx_hash: transaction.txHash, step })
}

/** A statement that fails, and whose failure the handler doesn't look at. */
function failUnseen({ trx }) {
  trx.raw('SELECT 1 / 0').catch(() => undefined)
}

const HANDLERS = {
  'swallowed-violation': async ({ trx }) => {
    await trx('careless_keys')
      .insert({ key: 'taken' })
      .catch((error) => {
        if (error.code !== '23505') throw error
      })
  },
  'deferred-constraint': ({ trx }) => trx('careless_children').insert({ parent: 404 }),

  'raw-commit': ({ trx }) => trx.raw('COMMIT'),
  'raw-commit-and-on': async (context) => {
    await context.trx.raw('COMMIT').catch(() => undefined)
    await write(context, 'after')
  },
  'raw-rollback': async (context) => {
    await context.trx.raw('ROLLBACK')
    await write(context, 'after')
  },
  'raw-rollback-and-begin': async (context) => {
    await context.trx.raw('ROLLBACK')
    await context.trx.raw('BEGIN')
    await write(context, 'after')
  },
  'raw-rollback-and-chain': async (context) => {
    await context.trx.raw('ROLLBACK AND CHAIN')
    await write(context, 'after')
  },

  'stray-at-once': async (context) => failUnseen(context),
  'stray-later': async (context) => void setImmediate(() => failUnseen(context)),

  'endless-loop': () => {
    for (;;);
  },
  // Timers don't run in this one either.
  'endless-microtasks': async () => {
    for (;;) await Promise.resolve()
  },

  'long-error': () => {
    throw new Error(`a very long error of the drill ${'\0long'.repeat(1_000_000)}`)
  },
  'throws-error': () => {
    throw new Error('refused by the drill')
  },
  'throws-odd-object': () => {
    throw { toString: null }
  },

  'kills-process': () => {
    process.kill(process.pid, 'SIGKILL')
    return NEVER
  },
  'exits-process': () => process.exit(1),

  'never-returns': () => NEVER,
  'never-returns-in-sql': ({ trx }) => trx.raw('SELECT pg_sleep(600)'),

  'bulk-write': ({ trx, transaction }) =>
    trx.raw('INSERT INTO careless_bulk (tx_hash) SELECT ? FROM generate_series(1, ?)', [
      transaction.txHash,
      BULK_ROWS,
    ]),
  ...Object.fromEntries(
    SESSION_MARKS.map(({ kind, change }) => [kind, ({ trx, transaction }) => change(trx, transaction)]),
  ),
}

/** Handlers as nobody should write them. */
export const careless = Object.entries(HANDLERS).map(([kind, act]) =>
  logged({
    kind,
    async confirmed(context) {
      await write(context, 'before')
      await act(context)
    },
  }),
)

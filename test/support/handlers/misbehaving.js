/**
 * Business writes that misbehave, in the way that the payload says. Each inserts its order first, so that a verdict
 * without its write, and a write without its verdict, can be seen.
 */
async function writeOrder({ trx, transaction }) {
  await trx('orders').insert({
    transaction_id: transaction.id,
    tx_hash: transaction.txHash,
    status: transaction.status,
  })
}

/** The handler of a kind that writes its order and then does something else, whatever the verdict. */
function kind(name, act) {
  async function write(context) {
    await writeOrder(context)
    await act(context, context.transaction.payload ?? {})
  }
  return { kind: name, confirmed: write, failed: write }
}

const ERRORS = {
  undefined: () => undefined,
  'object without text': () => ({ toString: null }),
  'NUL from the chain': ({ receipt }) => {
    const [log] = receipt.raw.logs
    return new Error(`no product of name ${Buffer.from(log.data.slice(2), 'hex').toString('utf8')}`)
  },
  'half of a surrogate pair': () => new Error('no product of name \ud83d'),
  'one megabyte': () => new Error(`no product of name ${'x'.repeat(1_000_000)}`),
  plain: () => new Error('no such product'),
}

const LATER = { immediate: setImmediate, tick: process.nextTick }

export default [
  { kind: 'order', confirmed: writeOrder },
  kind('both', () => undefined),
  kind('runs', ({ trx }, { sql }) => trx.raw(sql)),
  kind('swallows', ({ trx }, { sql }) => trx.raw(sql).catch(() => undefined)),
  // A statement that nobody waits for.
  kind('strays', ({ trx }, { sql, after }) => {
    LATER[after](() => trx.raw(sql).catch(() => undefined))
  }),
  kind('runs-then-throws', async ({ trx }, { sql }) => {
    await trx.raw(sql)
    throw new Error('after its statement')
  }),
  kind('throws', (context, { error }) => {
    throw ERRORS[error](context)
  }),
  kind('is-killed', () => {
    process.kill(process.pid, 'SIGKILL')
  }),
  kind('exits', () => process.exit(0)),
  kind('never-yields', () => {
    for (;;);
  }),
  kind('never-ends', () => new Promise(() => undefined)),
]

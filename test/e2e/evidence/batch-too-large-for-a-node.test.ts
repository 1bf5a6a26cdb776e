// Public reports: erigontech/erigon#17245, erigontech/erigon#18074, hemilabs/ui-monorepo#887 (how nodes refuse
// batches); audit: D7 (case A15), a batch that times out is never made smaller.
import { describe, it } from 'vitest'
import { createFleet, NEVER_MS } from '../../support/fleet-world.ts'
import { type Call, type RequestAnswer, type RequestFault, randomHash } from '../../support/scripted-node.ts'
import { until } from '../../support/until.ts'

const COUNT = 60
const WAIT_MS = 25_000

const body = (answer: unknown, status = 200): RequestAnswer => ({
  kind: 'body',
  body: JSON.stringify(answer),
  status,
})
const error = (code: number, message: string) => ({ jsonrpc: '2.0', id: null, error: { code, message } })

/** How a node refuses a batch that is too large for it. */
const REFUSALS: readonly (readonly [string, (calls: readonly Call[]) => RequestAnswer])[] = [
  ['one error object with code -32000', () => body(error(-32_000, 'batch limit 10 exceeded'))],
  ['one error object with code -32010', () => body(error(-32_010, 'The batch request was too large'))],
  ['one error object with code -32005', () => body(error(-32_005, 'Batched requests are not supported'))],
  ['one error object with code -32600', () => body(error(-32_600, 'batch too large'))],
  ['an array of one error', () => body([error(-32_000, 'batch limit 10 exceeded')])],
  [
    'an error for each call',
    (calls) => body(calls.map(({ id }) => ({ ...error(-32_000, 'batch limit exceeded'), id }))),
  ],
  ['an empty array', () => body([])],
  ['HTTP 500', () => body({ message: 'batch too large for this plan', code: 31 }, 500)],
  ['HTTP 400', () => body(error(-32_600, 'batch too large'), 400)],
  ['HTTP 413', () => body({}, 413)],
  ['a closed connection', () => ({ kind: 'disconnect' })],
  ['no answer', () => ({ kind: 'hang' })],
]

const ordersOf = (hashes: readonly string[]) => hashes.map((txHash) => ({ txHash, kind: 'order' }))

/** All are due when the worker starts, so that it asks for all at once. */
async function expectSettled(requestFault: RequestFault, count = COUNT): Promise<void> {
  const fleet = await createFleet('table', { RPC_TIMEOUT_MS: '500' })
  try {
    const hashes = Array.from({ length: count }, randomHash)
    fleet.chain.include(hashes)
    await fleet.record(ordersOf(hashes))
    fleet.node.requestFault = requestFault
    await fleet.start('worker')
    const confirmed = () => fleet.db('orders').whereIn('tx_hash', hashes).select('tx_hash')
    await until('all are settled', async () => (await confirmed()).length === count, WAIT_MS).catch(
      async (late) => {
        const [row] = await fleet
          .db('confirmd.transaction_history')
          .where({ status: 'pending' })
          .select('last_error')
        throw new Error(`${String(late)}: only ${(await confirmed()).length}; ${String(row?.last_error)}`)
      },
    )
  } finally {
    await fleet.close()
  }
}

describe.concurrent('all transactions are settled by a node that refuses batches of more than', () => {
  it.each(REFUSALS)('ten calls with %s', async (_name, refuse) => {
    await expectSettled(({ calls, isBatch }) => (isBatch && calls.length > 10 ? refuse(calls) : null))
  })

  it.each([REFUSALS[2], REFUSALS[7], REFUSALS[10]] as typeof REFUSALS)(
    'one call with %s',
    async (_name, refuse) => {
      await expectSettled(({ calls, isBatch }) => (isBatch ? refuse(calls) : null))
    },
  )
})

describe.concurrent('all transactions are settled by a node', () => {
  it('that works off a batch call by call, so that a large one takes longer than is waited', async () => {
    await expectSettled(({ calls }) => ({ kind: 'slow', delayMs: 20 * calls.length }), 200)
  })

  it('that never answers about one of them, but for that one', async () => {
    const poison = randomHash()
    const fleet = await createFleet('table', { RPC_TIMEOUT_MS: '500' })
    try {
      const hashes = Array.from({ length: COUNT }, randomHash)
      fleet.chain.include([...hashes, poison])
      await fleet.record(ordersOf([...hashes.slice(10), poison, ...hashes.slice(0, 10)]))
      fleet.node.requestFault = ({ calls }) =>
        calls.some(({ params }) => params[0] === poison) ? { kind: 'hang' } : null
      await fleet.start('worker')
      for (const txHash of hashes) await fleet.untilConfirmedOnce(txHash, { timeoutMs: WAIT_MS })
      fleet.node.requestFault = () => null
      await fleet.untilConfirmedOnce(poison, { timeoutMs: WAIT_MS })
    } finally {
      await fleet.close()
    }
  })
})

describe.concurrent('the follower makes up for many blocks at a node that refuses batches of more than', () => {
  it.each([
    [5, REFUSALS[0]],
    [1, REFUSALS[7]],
  ] as const)('%i call(s)', async (limit, refusal) => {
    const fleet = await createFleet('table', { FOLLOW_BLOCKS: 'on', RETRY_DELAYS_MS: NEVER_MS })
    try {
      const before = await fleet.start('worker')
      const hashes = Array.from({ length: 20 }, randomHash)
      await fleet.record(ordersOf(hashes))
      for (const txHash of hashes) {
        await fleet.untilRow(txHash, 'it was checked', (row) => row['retry_count'] === 1)
      }
      await before.stop()
      for (const txHash of hashes) {
        fleet.chain.include(txHash)
        fleet.chain.mine(4)
      }
      fleet.node.requestFault = ({ calls, isBatch }) =>
        isBatch && calls.length > limit ? (refusal?.[1](calls) ?? null) : null
      await fleet.start('worker')
      for (const txHash of hashes) await fleet.untilConfirmedOnce(txHash)
    } finally {
      await fleet.close()
    }
  })
})

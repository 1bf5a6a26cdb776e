import { setTimeout as sleep } from 'node:timers/promises'
import type { DrillContext } from './drill.ts'
import type { DrillNode, NodeFaults } from './node.ts'
import { NO_SUCH_METHOD } from './node-answers.ts'
import { shuffled } from './random.ts'

/** One node at a time is faulty, with each fault in 5% of its answers. */
export interface FaultTurns {
  /** Ends the faults; resolves with the number of turns there were. */
  stop(): Promise<number>
}

const SHARE = 0.05
/** A small run has few answers; more of them are wrong, so that each fault is met. */
const QUICK_SHARE = 0.1
const TURN_MS = 3_000
const QUICK_TURN_MS = 1_000
const BEHIND_AT_LEAST = 60
const BEHIND_AT_MOST = 600
const BATCH_LIMITS = [2, 1, 5]
const SERVER_ERROR = -32_000
/** One in each round. Methods that are called for every transaction alternate with those that are called rarely. */
const FAILING_METHODS = [
  'getTransactionReceipt',
  'getTransactionCount',
  'getHeaderByNumber',
  'getBlockReceipts',
  'getTransactionByHash',
  'chainID',
  'getBlockByNumber',
]

export function startFaultTurns(
  { random, quick }: Pick<DrillContext, 'random' | 'quick'>,
  nodes: readonly DrillNode[],
): FaultTurns {
  const stopping = new AbortController()
  const chance = random('turns')
  const turnMs = quick ? QUICK_TURN_MS : TURN_MS
  const share = quick ? QUICK_SHARE : SHARE

  /** Faults that last for a whole turn. */
  function lastingFaults(round: number): NodeFaults[] {
    const behindBlocks = BEHIND_AT_LEAST + Math.floor(chance() * (BEHIND_AT_MOST - BEHIND_AT_LEAST))
    const method = FAILING_METHODS[round % FAILING_METHODS.length] ?? ''
    return [
      { otherChain: true },
      { behindBlocks },
      { futureHead: round % 2 === 0 ? 'number far ahead' : 'time in ms' },
      { batchLimit: BATCH_LIMITS[round % BATCH_LIMITS.length] ?? 1 },
      { failingMethod: { method, code: round % 2 === 0 ? NO_SUCH_METHOD : SERVER_ERROR } },
    ]
  }

  function roundOf(round: number): NodeFaults[] {
    const lasting = lastingFaults(round)
    // Each lasting fault has one turn of a round, which is the same share of the answers as the others have.
    const others = Array.from({ length: 1 / share - lasting.length }, () => ({}))
    return shuffled(chance, [...lasting, ...others])
  }

  async function run(): Promise<number> {
    let turns = 0
    for (let round = 0; !stopping.signal.aborted; round++) {
      for (const lasting of roundOf(round)) {
        const faulty = nodes[turns % nodes.length]
        for (const node of nodes) {
          node.faults = node === faulty ? { otherQuestion: share, unstorable: share, ...lasting } : {}
        }
        await sleep(turnMs, undefined, { signal: stopping.signal }).catch(() => undefined)
        if (stopping.signal.aborted) break
        turns += 1
      }
    }
    for (const node of nodes) node.faults = {}
    return turns
  }

  const running = run()
  return {
    stop: () => {
      stopping.abort()
      return running
    },
  }
}

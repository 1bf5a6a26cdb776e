import { isDeepStrictEqual } from 'node:util'
import { createBlockSource } from '../../../src/chain/block-source.ts'
import { readBlock } from '../../../src/chain/facts/block.ts'
import { readReceipt } from '../../../src/chain/facts/receipt.ts'
import { RPC_METHODS } from '../../../src/chain/rpc-methods.ts'
import type { FinalBlock } from '../../../src/domain/block.ts'
import type { Fault } from './faults.ts'
import { createMemoryNodes, type HistoryOptions } from './run-history.ts'

export interface FollowResult {
  /** Broken promises; empty if all is well. */
  readonly problems: readonly string[]
  /** Blocks with a list of transactions, a time or an outcome that is not the truth, after a lie that is well-formed. */
  readonly lies: number
}

export interface FollowOptions extends Omit<HistoryOptions, 'onMet'> {
  readonly onMet: (fault: Fault, result: 'read' | 'waits' | 'lie' | 'wrong') => void
}

/** After the faults it must have caught up, and have all receipts, within so many reads. */
const MAX_READS_TO_CATCH_UP = 8
const BLOCKS_AT_ONCE = 20
const BLOCKS_BEHIND = 6

/** Follows the blocks of a world, as the follower does: read, take the receipts, go on. */
export async function followBlocks(options: FollowOptions): Promise<FollowResult> {
  const { world, depth, faults, onMet } = options
  const problems: string[] = []
  let nowMs = world.startMs
  let met: Fault[] = []
  let lied = false
  let lies = 0
  const { memory, nodes, heads } = createMemoryNodes(options, () => nowMs, {
    onMet: (fault, isLie) => {
      met.push(fault)
      lied ||= isLie || isLieOfBlocks(fault)
    },
    onProblem: (problem) => void problems.push(problem),
  })
  const source = createBlockSource({
    nodes,
    heads,
    announcements: { wait: async () => undefined },
    finalityDepthBlocks: depth,
    clock: () => new Date(nowMs),
  })
  const newestFinal = () => world.headAt(nowMs) - depth
  let next = newestFinal() - BLOCKS_BEHIND
  const last = faults.length + MAX_READS_TO_CATCH_UP

  for (let read = 0; read < last && problems.length === 0; read++) {
    met = []
    const isOver = read >= faults.length
    for (const node of memory) node.setFaults(faults[read] ?? [])
    const before = { problems: problems.length, lies }
    const found = await attempt(() => source.read(next, BLOCKS_AT_ONCE))
    for (const [index, block] of (found ?? []).entries()) judgeBlock(block, next + index)
    next += found?.length ?? 0
    for (const block of found ?? []) await judgeReceipts(block, isOver)
    await judgeAnswers()
    const isWrong = problems.length > before.problems
    const result = isWrong ? 'wrong' : lies > before.lies ? 'lie' : found?.length ? 'read' : 'waits'
    for (const fault of met) onMet(fault, result)
    nowMs += 1_000
  }
  if (problems.length === 0 && next < newestFinal() - 1) {
    problems.push(`it came to block ${next - 1}, and the newest final one is ${newestFinal()}`)
  }
  return { problems, lies }

  /** Null: it rejected, as it may. */
  async function attempt<T>(ask: () => Promise<T>): Promise<T | null> {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Error) || error.message === '') problems.push('it rejected without a reason')
      return null
    }
  }

  function judgeBlock(block: FinalBlock, number: number): void {
    const truth = trueBlock(number)
    const { node: _, headNumber, timeMs, txHashes, ...identity } = block
    const { timeMs: trueTimeMs, txHashes: trueHashes, ...trueIdentity } = truth ?? { timeMs: 0, txHashes: [] }
    const isFinal =
      number <= newestFinal() && headNumber <= world.headAt(nowMs) && headNumber >= number + depth
    if (!isDeepStrictEqual(identity, trueIdentity) || !isFinal) {
      problems.push(`block ${number} was given out as ${JSON.stringify(block).slice(0, 400)}`)
    } else if (timeMs !== trueTimeMs || !isDeepStrictEqual(txHashes, trueHashes)) {
      if (lied) lies += 1
      else problems.push(`block ${number} was given out with other transactions or another time`)
    }
  }

  async function judgeReceipts(block: FinalBlock, mustBeThere: boolean): Promise<void> {
    if (block.txHashes.length === 0) return
    const receipts = await attempt(() => source.receiptsOf(block, block.txHashes))
    if (mustBeThere && receipts?.length !== block.txHashes.length) problems.push('receipts are missing')
    for (const receipt of receipts ?? []) {
      const truth = trueReceipt(receipt.txHash)
      const isRight = (['succeeded', 'blockHash', 'blockNumber', 'txHash'] as const).every(
        (field) => receipt[field] === truth?.[field],
      )
      if (isRight) continue
      if (lied) lies += 1
      else problems.push(`the receipt of ${receipt.txHash} was given out wrong`)
    }
  }

  /** What else the follower asks: right, or not answered. */
  async function judgeAnswers(): Promise<void> {
    const newest = await attempt(source.newest)
    if (newest !== null && newest > newestFinal()) problems.push(`block ${newest} was said to be final`)
    const number = newestFinal()
    const hash = await attempt(() => source.hashAt(number))
    if (hash !== null && hash !== world.hashOf(number))
      problems.push(`block ${number} was said to be ${hash}`)
  }

  function trueBlock(number: number) {
    const answer = world.answer(RPC_METHODS.block, [hex(number)], world.headAt(nowMs))
    return readBlock({ blockNumber: number, nowMs }, 'result' in answer ? answer.result : null)
  }

  function trueReceipt(txHash: string) {
    const answer = world.answer(RPC_METHODS.receipt, [txHash], world.headAt(nowMs))
    return readReceipt({ txHash }, 'result' in answer ? answer.result : null)
  }
}

/** Which transactions a block holds, when it was made, and how they ended are the word of one node. */
function isLieOfBlocks(fault: Fault): boolean {
  if (fault.level !== 'field') return false
  if (fault.target === 'block') return fault.field === 'transactions' || fault.field === 'timestamp'
  return fault.target === 'blockReceipts' && fault.field === 'status'
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}

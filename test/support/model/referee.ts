import { isOpen, type Transaction, type TransactionStatus } from '../../../src/domain/transaction.ts'
import { EARLY_TOLERANCE_MS } from '../../../src/domain/turn.ts'
import type { ModelChain } from './chain.ts'
import type { StoredState } from './model-store.ts'
import { MODEL_POLICY } from './policy.ts'
import { type ChainName, chainOf } from './processes.ts'
import type { Task } from './stepper.ts'

/** A change of a row, as it was committed. */
export interface Change {
  readonly before: Transaction | undefined
  readonly after: Transaction
  /** The operation of the store that made it. */
  readonly operation: string
  readonly task: Task
  readonly at: Date
}

/**
 * The simple model that histories are judged by: which state may follow which, and what must have been seen
 * for it. It knows the truth of one chain, and nothing of how the flows reach a state.
 */
export interface Referee {
  /** Throws if the change breaks a promise. */
  judge(change: Change): void
  /** Throws unless verdicts, business writes and events of the chain agree. */
  judgeEnd(state: StoredState): void
}

const LEADS_TO: Readonly<Record<TransactionStatus, readonly TransactionStatus[]>> = {
  pending: ['confirmed', 'failed', 'replaced', 'stalled'],
  stalled: ['confirmed', 'failed', 'replaced', 'expired', 'pending'],
  expired: ['confirmed', 'failed'],
  confirmed: [],
  failed: [],
  replaced: ['confirmed', 'failed'],
}

/** What a process does that has a message of another chain: it records what is new, and leaves the check to others. */
const DONE_FOR_OTHER_CHAINS = ['record', 'markUnpublished']

export function createReferee(
  name: ChainName,
  chain: ModelChain,
  reached: (from: TransactionStatus, to: TransactionStatus) => void,
): Referee {
  /** The events that must be in the outbox, by transaction, in order. */
  const announced = new Map<string, TransactionStatus[]>()
  /** When the looks of a transaction were started, for the first time or again. */
  const startedAt = new Map<string, Date>()

  function demand(condition: boolean, promise: string, change: Change): void {
    if (condition) return
    const { before, after, operation, task } = change
    throw new Error(
      `${promise}: ${operation} of ${task.name} made ${describe(before)} into ${describe(after)}; ` +
        `it had seen ${JSON.stringify(task.observation)}`,
    )
  }

  /** The task looked and there was no receipt. One that is not final yet is waited for, and spends nothing. */
  function sawNoReceipt({ observation }: Task): boolean {
    return observation?.kind === 'absent'
  }

  function judgeState(change: Change, before: Transaction): void {
    const { after, operation, task, at } = change
    demand(LEADS_TO[before.status].includes(after.status), 'a state leads only to what follows it', change)
    reached(before.status, after.status)
    switch (after.status) {
      case 'confirmed':
      case 'failed': {
        const block = chain.finalBlock(after.txHash)
        const isTrue = block !== null && block.succeeded === (after.status === 'confirmed')
        demand(
          isTrue && block.hash === after.inclusion?.blockHash,
          'a verdict is what the chain says for good',
          change,
        )
        break
      }
      case 'stalled': {
        demand(sawNoReceipt(task), 'only a look that found nothing stalls', change)
        const waitedMs = at.getTime() - (startedAt.get(after.txHash) ?? at).getTime()
        demand(
          waitedMs >= shortestWayToStallMs(),
          'a transaction is stalled no earlier than its waits say',
          change,
        )
        break
      }
      case 'expired': {
        const stalledForMs = at.getTime() - (before.stalledAt ?? at).getTime()
        demand(task.observation?.kind === 'absent', 'only an absence expires', change)
        demand(stalledForMs >= MODEL_POLICY.expireAfterMs, 'nothing expires before its time', change)
        break
      }
      case 'pending':
        demand(operation === 'reopen', 'only a recheck makes pending again', change)
        break
      case 'replaced':
        demand(chain.isReplaced(after.txHash), 'only what was replaced is replaced', change)
    }
    if (after.status !== 'pending') announced.get(after.id)?.push(after.status)
  }

  return {
    judge: (change) => {
      const { before, after, operation, task, at } = change
      demand(
        chainOf(task.process) === name || DONE_FOR_OTHER_CHAINS.includes(operation),
        'a row is moved on by processes of its chain alone',
        change,
      )
      if (!before || operation === 'reopen') startedAt.set(after.txHash, at)
      if (!before) announced.set(after.id, [])
      else {
        demand(isOpen(before.status), 'a verdict is never touched again', change)
        if (before.status !== after.status) judgeState(change, before)
      }
      const spent = after.retryCount - (before?.retryCount ?? 0)
      demand(
        spent <= 0 || (spent === 1 && sawNoReceipt(task)),
        'only a fruitless look spends an attempt',
        change,
      )
      demand(spent >= 0 || operation === 'reopen', 'only a recheck gives attempts back', change)
      if (after.status === 'pending' || after.status === 'stalled') {
        demand(after.nextCheckAt !== null, 'what is watched has a next look', change)
      }
      if (after.parkedAt && !before?.parkedAt) {
        const isTooOften = after.handlerAttempts >= MODEL_POLICY.handlerRetryLimit
        demand(isTooOften || operation === 'park', 'only what failed too often is parked', change)
      }
    },
    judgeEnd: ({ transactions, orders, events }) => {
      for (const transaction of transactions) {
        if (transaction.chain !== name) continue
        const { id, txHash, status } = transaction
        const commits = orders.filter((order) => order === id).length
        if (commits !== (status === 'confirmed' ? 1 : 0)) {
          throw new Error(`the business write of ${describe(transaction)} is committed ${commits} times`)
        }
        const block = chain.finalBlock(txHash)
        const expected = block === null ? 'expired' : block.succeeded ? 'confirmed' : 'failed'
        // What expired before its replacement was seen is not looked at any more.
        const isTrue = status === expected || (status === 'replaced' && chain.isReplaced(txHash))
        if (!isTrue) throw new Error(`the chain says ${expected} of ${describe(transaction)}`)
        const found = events.filter((event) => event.transactionId === id).map((event) => event.status)
        const states = announced.get(id)
        if (states && found.join() !== states.join()) {
          throw new Error(
            `${describe(transaction)} went through ${states.join()}, announced is ${found.join()}`,
          )
        }
      }
    },
  }
}

/** All waits before the last look, each of them as early as a message may come. */
function shortestWayToStallMs(): number {
  const { retryDelaysMs, retryLimit } = MODEL_POLICY
  const waitsMs = Array.from({ length: retryLimit }, (_, count) => retryDelaysMs[count] ?? retryDelaysMs[1])
  return waitsMs.reduce((sum, waitMs) => sum + waitMs - EARLY_TOLERANCE_MS, 0)
}

export function describe(transaction: Transaction | undefined): string {
  if (!transaction) return 'nothing'
  const { chain, txHash, status, retryCount, handlerAttempts, parkedAt, nextCheckAt } = transaction
  const parked = parkedAt ? ', parked' : ''
  const due = nextCheckAt?.toISOString() ?? 'never'
  return `${txHash.slice(-2)} on ${chain} (${status}, retry ${retryCount}, writes ${handlerAttempts}${parked}, due ${due})`
}

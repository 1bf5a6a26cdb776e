import type { Decision } from '../domain/finality.ts'
import { type Handler, thrownText, WriteFailedError } from '../domain/handler.ts'
import type { Transaction } from '../domain/transaction.ts'

export type BusinessWrite<Trx> = (trx: Trx, settled: Transaction) => Promise<void>

/** Told which code that is not ours runs, for the watchdog. */
export interface WriteWatch {
  /** The returned function tells that it has ended. */
  begin(transaction: Pick<Transaction, 'id' | 'kind' | 'txHash'>): () => void
}

/**
 * What a verdict has to write, by its kind; null if there is nothing. What it throws, or that it takes too long, becomes
 * a WriteFailedError.
 */
export function businessWrites<Trx>(
  handlers: ReadonlyMap<string, Handler<Trx>>,
  timeoutMs: number,
  watch: WriteWatch,
): (kind: string, verdict: Extract<Decision, { kind: 'settle' }>) => BusinessWrite<Trx> | null {
  return (kind, { status, receipt }) => {
    const handler = handlers.get(kind)
    const write = handler?.[status]
    if (!handler || !write) return null
    return async (trx, transaction) => {
      const end = watch.begin(transaction)
      try {
        const writing = Promise.resolve(write.call(handler, { trx, transaction, receipt }))
        if (await isFinishedWithin(writing, timeoutMs)) return
      } catch (error) {
        throw new WriteFailedError('threw', kind, thrownText(error), error)
      } finally {
        end()
      }
      throw new WriteFailedError('timeout', kind, `it did not finish within ${timeoutMs} ms`)
    }
  }
}

async function isFinishedWithin(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  try {
    return await Promise.race([work.then(() => true), expired])
  } finally {
    clearTimeout(timer)
  }
}

import type { Decision } from '../domain/finality.ts'
import { BusinessWriteError, type Handler } from '../domain/handler.ts'
import type { Transaction } from '../domain/transaction.ts'

type BusinessWrite<Trx> = (trx: Trx, settled: Transaction) => Promise<void>

/**
 * What a verdict has to write, by its kind; null if there is nothing. What it throws, or that it takes too long,
 * becomes a BusinessWriteError.
 */
export function businessWrites<Trx>(
  handlers: ReadonlyMap<string, Handler<Trx>>,
  timeoutMs: number,
): (kind: string, verdict: Extract<Decision, { kind: 'settle' }>) => BusinessWrite<Trx> | null {
  return (kind, { status, receipt }) => {
    const handler = handlers.get(kind)
    const write = handler?.[status]
    if (!handler || !write) return null
    return async (trx, transaction) => {
      try {
        const writing = Promise.resolve(write.call(handler, { trx, transaction, receipt }))
        if (await isFinishedWithin(writing, timeoutMs)) return
      } catch (error) {
        throw new BusinessWriteError(kind, error)
      }
      throw new BusinessWriteError(kind, new Error(`it did not finish within ${timeoutMs} ms`), true)
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

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
        await withinTime(Promise.resolve(write.call(handler, { trx, transaction, receipt })), timeoutMs)
      } catch (error) {
        throw new BusinessWriteError(kind, error)
      }
    }
  }
}

async function withinTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not finish within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    await Promise.race([work, expired])
  } finally {
    clearTimeout(timer)
  }
}

import type { Transaction } from '../domain/transaction.ts'

/** The fields by which one grep follows a transaction through the logs. */
export function traceFields({ id, txHash, chain, kind, correlationId }: Transaction) {
  return { id, txHash, chain, kind, correlationId }
}

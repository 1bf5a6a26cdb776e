import type { Transaction } from '../domain/transaction.ts'
import type { Store } from '../store/store.ts'
import { CommandError, EXIT } from './exit.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const HASH = /^0x[0-9a-f]{64}$/i
/** One for each chain and kind. */
const MAX_OF_A_HASH = 100

/** Whether a text names transactions: by id, or by a hash. */
export function isTransactionName(text: string): boolean {
  return UUID.test(text) || HASH.test(text)
}

export function checkTransactionName(text: string): void {
  if (isTransactionName(text)) return
  const message = `'${text}' is neither the id of a transaction (a UUID) nor a hash (0x and 64 hexadecimal digits)`
  throw new CommandError(EXIT.usage, message)
}

/** A hash may be known on several chains, and to several kinds. */
export async function findTransactions(
  { load, list }: Pick<Store, 'load' | 'list'>,
  name: string,
): Promise<readonly Transaction[]> {
  if (HASH.test(name)) return list({ txHash: name, limit: MAX_OF_A_HASH })
  const found = await load(name.toLowerCase())
  return found ? [found] : []
}

import { parseForeignRegistration, type Registration } from './registration.ts'
import type { Transaction } from './transaction.ts'

/** A check: look at the chain for this row. It speaks for the row while both have one retry count. */
export interface Check {
  readonly id: string
  readonly chain: string
  readonly txHash: string
  readonly retryCount: number
  readonly correlationId: string | null
}

/** What a message of the check queue turns out to be. */
export type CheckMessage =
  | { readonly kind: 'check'; readonly check: Check }
  /** From a foreign publisher: a hash that has no row yet, as far as it knows. */
  | { readonly kind: 'registration'; readonly registration: Registration }
  /** Written by a newer release; one of its workers will read it. */
  | { readonly kind: 'unsupported'; readonly version: string }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** The check that speaks for the row as it is now. */
export function checkOf({ id, chain, txHash, retryCount, correlationId }: Transaction): Check {
  return { id, chain, txHash, retryCount, correlationId }
}

export const MESSAGE_VERSION = 1

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function encodeCheck(check: Check): string {
  return JSON.stringify({
    v: MESSAGE_VERSION,
    id: check.id,
    chain: check.chain,
    txHash: check.txHash,
    retry_count: check.retryCount,
  })
}

/**
 * Reads the body of a check message. Unknown fields are ignored.
 * @param chain the chain this confirmd watches, the default of a foreign message
 */
export function parseCheckMessage(
  content: string,
  chain: string,
  correlationId: string | null = null,
): CheckMessage {
  let body: unknown
  try {
    body = JSON.parse(content)
  } catch {
    return { kind: 'unreadable', reason: 'the message is not JSON' }
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { kind: 'unreadable', reason: 'the message is not a JSON object' }
  }
  const fields = body as Record<string, unknown>
  const version = fields['v'] ?? MESSAGE_VERSION
  if (version !== MESSAGE_VERSION) return { kind: 'unsupported', version: describeVersion(version) }
  if (fields['id'] === undefined) return readRegistration(fields, chain, correlationId)
  return readCheck(fields, chain, correlationId)
}

/** What is nested deeply enough would overflow the stack of JSON.stringify. */
function describeVersion(version: unknown): string {
  return typeof version === 'object' ? 'an object' : JSON.stringify(version).slice(0, 40)
}

function readRegistration(
  fields: Record<string, unknown>,
  chain: string,
  correlationId: string | null,
): CheckMessage {
  if (fields['txHash'] === undefined) {
    return { kind: 'unreadable', reason: 'the message has neither id nor txHash' }
  }
  const registration = parseForeignRegistration(fields, chain, correlationId)
  if (typeof registration === 'string') return { kind: 'unreadable', reason: registration }
  return { kind: 'registration', registration }
}

function readCheck(
  fields: Record<string, unknown>,
  chain: string,
  correlationId: string | null,
): CheckMessage {
  const { id, txHash, retry_count: retryCount = 0 } = fields
  if (typeof id !== 'string' || !UUID.test(id)) return { kind: 'unreadable', reason: 'id is not a UUID' }
  if (!Number.isSafeInteger(retryCount) || (retryCount as number) < 0) {
    return { kind: 'unreadable', reason: 'retry_count is not a whole number, 0 or more' }
  }
  const check = {
    id: id.toLowerCase(),
    chain: typeof fields['chain'] === 'string' ? fields['chain'] : chain,
    txHash: typeof txHash === 'string' ? txHash : '',
    retryCount: retryCount as number,
    correlationId,
  }
  return { kind: 'check', check }
}

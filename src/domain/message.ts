import { markLossyNumbers } from './lossy-numbers.ts'
import { parseForeignRegistration, type Registration } from './registration.ts'
import type { Transaction } from './transaction.ts'
import { dueAtOf } from './turn.ts'

/** A check: look at the chain for this row. It speaks for the row while both have one retry count. */
export interface Check {
  readonly id: string
  readonly chain: string
  readonly txHash: string
  readonly retryCount: number
  /** When the row is due, in ISO 8601 by the database's clock. Null: the release that published it did not say. */
  readonly dueAt: string | null
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
export function checkOf(transaction: Transaction): Check {
  const { id, chain, txHash, retryCount, correlationId } = transaction
  return { id, chain, txHash, retryCount, dueAt: dueAtOf(transaction), correlationId }
}

export const MESSAGE_VERSION = 1

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Most checks of one message; a message costs the broker and both its clients the same, whatever it holds. */
export const MAX_CHECKS = 20
/** A later release may write more. */
const MAX_CHECKS_READ = 1_000

/**
 * One message for the first check and, under `more`, for others that are published in the same moment. A release
 * that does not know `more` handles the first; the sweep finds the others. The correlation id of the first is a
 * property of the message.
 */
export function encodeChecks([first, ...more]: readonly [Check, ...Check[]]): string {
  return JSON.stringify({
    v: MESSAGE_VERSION,
    ...fieldsOf(first),
    ...(more.length === 0
      ? {}
      : {
          more: more.map((check) => {
            const { correlationId } = check
            return {
              ...fieldsOf(check),
              ...(correlationId === null ? {} : { correlation_id: correlationId }),
            }
          }),
        }),
  })
}

function fieldsOf({ id, chain, txHash, retryCount, dueAt }: Check) {
  return { id, chain, txHash, retry_count: retryCount, ...(dueAt === null ? {} : { due_at: dueAt }) }
}

/**
 * Reads the body of a message: one thing to do, or many checks. Unknown fields are ignored.
 * @param chain the chain this confirmd watches, the default of a foreign message
 */
export function parseCheckMessages(
  content: string,
  chain: string,
  correlationId: string | null = null,
  traceParent: string | null = null,
): readonly [CheckMessage, ...CheckMessage[]] {
  let body: unknown
  try {
    body = JSON.parse(markLossyNumbers(content))
  } catch {
    return [{ kind: 'unreadable', reason: 'the message is not JSON' }]
  }
  if (!isRecord(body)) return [{ kind: 'unreadable', reason: 'the message is not a JSON object' }]
  const version = body['v'] ?? MESSAGE_VERSION
  if (version !== MESSAGE_VERSION) return [{ kind: 'unsupported', version: describeVersion(version) }]
  const own = storableCorrelationId(correlationId)
  if (body['id'] === undefined) return [readRegistration(body, chain, own, traceParent)]
  const first = readCheck(body, chain, own)
  const { more } = body
  // Something else of this name is a field of somebody else's.
  const isOurs = Array.isArray(more) && more.length < MAX_CHECKS_READ
  return [first, ...(isOurs ? more.map((fields) => readMore(fields, chain)) : [])]
}

function readMore(fields: unknown, chain: string): CheckMessage {
  if (!isRecord(fields)) return { kind: 'unreadable', reason: 'one of more is not a JSON object' }
  return readCheck(fields, chain, storableCorrelationId(fields['correlation_id']))
}

const MAX_CORRELATION_ID_LENGTH = 128

/** As it can be stored: anybody may publish, and PostgreSQL stores no NUL. */
function storableCorrelationId(given: unknown): string | null {
  if (typeof given !== 'string') return null
  return given.replaceAll('\u0000', '').slice(0, MAX_CORRELATION_ID_LENGTH)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What is nested deeply enough would overflow the stack of JSON.stringify. */
function describeVersion(version: unknown): string {
  return typeof version === 'object' ? 'an object' : JSON.stringify(version).slice(0, 40)
}

function readRegistration(
  fields: Record<string, unknown>,
  chain: string,
  correlationId: string | null,
  traceParent: string | null,
): CheckMessage {
  if (fields['txHash'] === undefined) {
    return { kind: 'unreadable', reason: 'the message has neither id nor txHash' }
  }
  const registration = parseForeignRegistration(fields, chain, correlationId, traceParent)
  if (typeof registration === 'string') return { kind: 'unreadable', reason: registration }
  return { kind: 'registration', registration }
}

function readCheck(
  fields: Record<string, unknown>,
  chain: string,
  correlationId: string | null,
): CheckMessage {
  const { id, txHash, retry_count: retryCount = 0, due_at: dueAt } = fields
  if (typeof id !== 'string' || !UUID.test(id)) return { kind: 'unreadable', reason: 'id is not a UUID' }
  if (!Number.isSafeInteger(retryCount) || (retryCount as number) < 0) {
    return { kind: 'unreadable', reason: 'retry_count is not a whole number, 0 or more' }
  }
  const check = {
    id: id.toLowerCase(),
    chain: typeof fields['chain'] === 'string' ? fields['chain'] : chain,
    txHash: typeof txHash === 'string' ? txHash : '',
    retryCount: retryCount as number,
    dueAt: typeof dueAt === 'string' ? dueAt : null,
    correlationId,
  }
  return { kind: 'check', check }
}

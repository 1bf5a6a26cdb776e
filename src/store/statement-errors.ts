import { DatabaseError } from 'pg'
import { thrownText } from '../domain/handler.ts'
import { storableText } from '../domain/storable-text.ts'

/** What the server said, by error: knex writes the statement in front of it, which may be of any length. */
const serverMessages = new WeakMap<object, string>()

export function keepServerMessage(error: object & { readonly message?: string }): void {
  if (error.message !== undefined) serverMessages.set(error, error.message)
}

/** Why something failed, in words that can be stored: of a statement what the server said, without the statement. */
export function reasonOf(error: unknown): string {
  const said = typeof error === 'object' && error !== null ? serverMessages.get(error) : undefined
  return said === undefined ? thrownText(error) : storableText(said)
}

/** Classes of SQLSTATE that tell of the server or the session, not of what was asked. */
const OF_THE_SERVER = ['08', '25', '28', '3D', '53', '57', '58']
/** `query_canceled`: the statement took too long, whatever the server is like. */
const QUERY_CANCELED = '57014'
/** Data exception, integrity constraint violation, program limit exceeded, and what a trigger raises. */
const OF_THE_DATA = ['22', '23', '54', 'P0']

/** SQLSTATE of what confirmd's own trigger raises at a COMMIT that was not announced. */
export const REFUSED_COMMIT = 'CFD01'

export function sqlStateOf(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null
}

/** Whether the failure is of the server, the session or the way there; nothing is said of the statement then. */
export function isOfTheServer(error: unknown): boolean {
  const code = sqlStateOf(error)
  if (code === null) return true
  return code !== QUERY_CANCELED && OF_THE_SERVER.includes(code.slice(0, 2))
}

/**
 * Why a row's statement failed, if that is of the row and would come again: refused for what it holds, or a fault of ours
 * that it brings about; else null. A missing table or privilege, a lock or a deadlock is not: they pass, or concern all rows.
 */
export function refusalOf(error: unknown): string | null {
  const isOfTheRow =
    isRefusedData(error) ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError
  return isOfTheRow ? reasonOf(error) : null
}

/** Whether the database refused a statement for what it holds: it would refuse it again. */
export function isRefusedData(error: unknown): boolean {
  return OF_THE_DATA.includes(sqlStateOf(error)?.slice(0, 2) ?? '')
}

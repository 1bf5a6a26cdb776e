import type { Knex } from 'knex'
import type { Handler } from './domain/handler.ts'
import { viewTransaction } from './domain/transaction-view.ts'

/** A business write: code that runs in the database transaction that commits the verdict. */
export type BusinessHandler = Handler<Knex.Transaction>

const SQL_NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$/

/**
 * Declares the business write of a kind.
 * @throws TypeError if the kind is blank or neither `confirmed` nor `failed` is a function
 */
export function defineHandler(handler: BusinessHandler): BusinessHandler {
  return checkHandler(handler)
}

/** @throws TypeError that says what is wrong with it */
export function checkHandler(handler: BusinessHandler): BusinessHandler {
  const name = `the handler of kind '${handler.kind}'`
  if (typeof handler.kind !== 'string' || handler.kind === '') throw new TypeError('a handler needs a kind')
  for (const part of ['confirmed', 'failed'] as const) {
    if (handler[part] !== undefined && typeof handler[part] !== 'function') {
      throw new TypeError(`${name}: ${part} is not a function`)
    }
  }
  const hasWrite = handler.confirmed !== undefined || handler.failed !== undefined
  if (handler.noWrite && hasWrite) throw new TypeError(`${name} is declared by noWrite, and has a write`)
  if (!handler.noWrite && !hasWrite) throw new TypeError(`${name} has neither confirmed nor failed`)
  return handler
}

/**
 * Declares that a kind has no business write: its transactions get their verdict and their event only. Without this, a
 * kind that nobody handles is set aside wherever other kinds have handlers.
 * @example export default [noWrite({ kind: 'gas-top-up' })]
 * @throws TypeError if the kind is blank
 */
export function noWrite({ kind }: { readonly kind: string }): BusinessHandler {
  return checkHandler({ kind, noWrite: true })
}

export interface SqlHandlerOptions {
  readonly kind: string
  /** A function `(transaction jsonb) returns void`, called when the transaction is confirmed. */
  readonly fn: string
  /** The same for a transaction that failed on the chain. */
  readonly failedFn?: string
}

/**
 * A business write kept in SQL: calls a PostgreSQL function with the transaction as the API shows it.
 * @throws TypeError if a function's name is not `name` or `schema.name`
 */
export function sqlHandler({ kind, fn, failedFn }: SqlHandlerOptions): BusinessHandler {
  return defineHandler({
    kind,
    confirmed: callFunction(fn),
    ...(failedFn === undefined ? {} : { failed: callFunction(failedFn) }),
  })
}

function callFunction(name: string): NonNullable<BusinessHandler['confirmed']> {
  if (!SQL_NAME.test(name))
    throw new TypeError(`'${name}' is not the name of a function, such as app.on_nft_mint`)
  return async ({ trx, transaction }) => {
    const argument = JSON.stringify(viewTransaction(transaction))
    // Checked above: letters, digits and underscores only, unquoted so that PostgreSQL folds its case.
    await trx.raw(`SELECT ${name}(CAST(:argument AS jsonb))`, { argument })
  }
}

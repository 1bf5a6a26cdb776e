import type { Transaction } from '../domain/transaction.ts'
import { businessWrites } from '../flows/business-write.ts'
import { loadHandlers } from '../load-handlers.ts'
import { keptReceipt, listUnwritten, writeAfterwards } from '../store/write-afterwards.ts'
import { canAsk, isAgreed } from './ask.ts'
import { messageOf, type Parts, withParts } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { columns, paint, print, printJson } from './output.ts'
import { checkTransactionName, findTransactions } from './transaction-names.ts'

export interface WriteOptions {
  readonly kind?: string
  readonly unknown?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

/** What became of one transaction whose business write was to be run. */
interface Written {
  readonly id: string
  readonly outcome: 'written' | 'has-run' | 'not-settled' | 'no-write' | 'not-found' | 'failed'
  readonly error: string | null
}

/** Runs the business write of transactions that were settled without one; each exactly once. */
export async function write(names: readonly string[], options: WriteOptions): Promise<void> {
  const { kind, unknown = false } = options
  if (names.length > 0 === (kind !== undefined)) {
    throw new CommandError(EXIT.usage, 'write needs ids or hashes, or --kind: one of these')
  }
  for (const name of names) checkTransactionName(name)
  await withParts('write', async (parts) => {
    const writeOne = await createWriter(parts, unknown)
    const results: Written[] = []
    if (kind === undefined) {
      for (const name of names) {
        const found = await findTransactions(parts.store, name)
        if (found.length === 0) results.push({ id: name, outcome: 'not-found', error: null })
        for (const each of found) results.push(await writeOne(each))
      }
    } else {
      await demandAgreement(kind, options)
      results.push(...(await writeAll(parts, kind, unknown, writeOne)))
    }
    if (options.json) printJson({ results })
    else if (results.length === 0) print(`no transaction of kind '${kind}' was settled without its write`)
    else print(columns(results.map((each) => [each.id, inWords(each)])))
    if (results.some(({ outcome }) => outcome === 'failed' || outcome === 'not-found')) {
      process.exitCode = EXIT.failed
    }
  })
}

type WriteOne = (transaction: Transaction) => Promise<Written>

async function createWriter({ config, db }: Parts, unknown: boolean): Promise<WriteOne> {
  if (config.handlers === null) {
    throw new CommandError(EXIT.config, 'write needs HANDLERS: the module that the workers load')
  }
  const handlers = await loadHandlers(config.handlers)
  const businessWriteOf = businessWrites(handlers, config.handlerTimeoutMs, { begin: () => () => undefined })
  return async (transaction) => {
    const { id, kind, status, failure } = transaction
    const nothing = { id, error: null }
    const receipt = keptReceipt(transaction)
    if ((status !== 'confirmed' && status !== 'failed') || !receipt)
      return { ...nothing, outcome: 'not-settled' }
    const businessWrite = businessWriteOf(kind, { kind: 'settle', status, receipt, failure })
    if (!businessWrite) return { ...nothing, outcome: 'no-write' }
    try {
      const { handlerTimeoutMs } = config
      const options = { id, kind, unknown, handlerTimeoutMs }
      const isWritten = await writeAfterwards(db, options, businessWrite)
      return { ...nothing, outcome: isWritten ? 'written' : 'has-run' }
    } catch (error) {
      return { id, outcome: 'failed', error: messageOf(error) }
    }
  }
}

async function demandAgreement(kind: string, { yes }: WriteOptions): Promise<void> {
  const question = `run the business write of every transaction of kind '${kind}' that was settled without it?`
  if (!yes && canAsk() && !(await isAgreed(question))) throw new CommandError(EXIT.failed, 'nothing was done')
}

async function writeAll(
  { db, config }: Parts,
  kind: string,
  unknown: boolean,
  writeOne: WriteOne,
): Promise<Written[]> {
  const results: Written[] = []
  let after: string | null = null
  for (;;) {
    const page: Transaction[] = await listUnwritten(db, { chain: config.chain, kind, unknown }, after)
    const last = page.at(-1)
    if (!last) return results
    for (const each of page) results.push(await writeOne(each))
    after = last.id
  }
}

function inWords({ outcome, error }: Written): string {
  switch (outcome) {
    case 'written':
      return paint('green', 'its business write is committed')
    case 'has-run':
      return 'its business write has run already, or is not known to be missing (see --unknown)'
    case 'not-settled':
      return paint('yellow', 'has no verdict from a receipt, so there is nothing to write')
    case 'no-write':
      return 'its kind has no business write for this verdict in HANDLERS'
    case 'not-found':
      return paint('red', 'is not known')
    case 'failed':
      return paint('red', `failed, and nothing was changed: ${error}`)
  }
}

import type { TransactionSelection } from '../store/read.ts'
import { canAsk, isAgreed } from './ask.ts'
import { type Parts, withParts } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { columns, counted, paint, print, printError, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { type Recheck, type Rechecked, withRecheck } from './rechecking.ts'
import { checkTransactionName, findTransactions } from './transaction-names.ts'

export interface RecheckOptions {
  readonly status?: 'stalled' | 'expired' | 'replaced'
  readonly parked?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

const BATCH_SIZE = 200

/** Has transactions looked at again, from the start. */
export async function recheck(names: readonly string[], options: RecheckOptions): Promise<void> {
  const { status, parked } = options
  const ways = [names.length > 0, status !== undefined, parked === true].filter(Boolean)
  if (ways.length !== 1) {
    throw new CommandError(
      EXIT.usage,
      'recheck needs ids or hashes, or --status stalled, expired or replaced, or --parked: one of these',
    )
  }
  for (const name of names) checkTransactionName(name)
  await withParts('recheck', async (parts) => {
    if (names.length > 0) return recheckNamed(parts, names, options)
    const { chain } = parts.config
    const which = status === undefined ? ({ chain, parked: true } as const) : { chain, status }
    return recheckSelected(parts, which, options)
  })
}

async function recheckNamed(parts: Parts, names: readonly string[], options: RecheckOptions): Promise<void> {
  const results: Rechecked[] = []
  await withRecheck(parts, 'recheck', async (again) => {
    for (const name of names) {
      const found = await findTransactions(parts.store, name)
      if (found.length === 0) results.push({ id: name, txHash: null, outcome: 'not-found', status: null })
      for (const { id } of found) results.push(await again(id))
    }
  })
  if (options.json) printJson({ results })
  else print(columns(results.map((each) => [each.id, inWords(each)])))
  if (results.some(({ outcome }) => outcome !== 'rechecked')) process.exitCode = EXIT.failed
}

async function recheckSelected(
  parts: Parts,
  which: TransactionSelection,
  options: RecheckOptions,
): Promise<void> {
  const total = await parts.store.count(which)
  const what = `${which.status ?? 'parked'} ${total === 1 ? 'transaction' : 'transactions'}`
  if (total > 0 && !options.yes && canAsk() && !(await isAgreed(`look again at ${total} ${what}?`))) {
    throw new CommandError(EXIT.failed, 'nothing was done')
  }
  const results: Rechecked[] = []
  if (total > 0) {
    await withRecheck(parts, 'recheck', (again) => recheckAll(parts, which, total, again, results))
  }
  const done = results.filter(({ outcome }) => outcome === 'rechecked').length
  if (options.json) printJson({ results })
  else if (total === 0) print(`there are no ${what}`)
  else print(`rechecked ${counted(done, 'transaction')}`)
  if (done < results.length) {
    printError(`${counted(results.length - done, 'transaction')} had a verdict by then, or were pruned`)
  }
}

async function recheckAll(
  { store }: Parts,
  which: TransactionSelection,
  total: number,
  again: Recheck,
  results: Rechecked[],
): Promise<void> {
  const progress = createProgress('transactions rechecked')
  let before: string | undefined
  try {
    do {
      // By id, not by what is left: an expired one stays expired until it is looked at.
      const page = await store.list({ ...which, ...(before ? { before } : {}), limit: BATCH_SIZE })
      results.push(...(await Promise.all(page.map(({ id }) => again(id)))))
      progress.show(results.length, Math.max(total, results.length))
      before = page.length < BATCH_SIZE ? undefined : page.at(-1)?.id
    } while (before !== undefined)
  } finally {
    progress.end()
  }
}

function inWords({ outcome, status }: Rechecked): string {
  switch (outcome) {
    case 'rechecked':
      return paint('green', `is looked at again; it is ${status}`)
    case 'final':
      return paint('yellow', `is ${status}, which is final`)
    case 'not-found':
      return paint('red', 'is not known')
  }
}

import { readChainBinding } from '../chain-binding.ts'
import type { Diagnosis } from '../domain/diagnosis.ts'
import type { Look } from '../domain/look.ts'
import { isOpen, type Transaction } from '../domain/transaction.ts'
import type { TransactionEventView } from '../domain/transaction-event.ts'
import { type TransactionDetail, viewDetail } from '../domain/transaction-view.ts'
import { exchangeOf } from '../exchange-of-chain.ts'
import { createDiagnosis } from '../flows/diagnosis.ts'
import { openConfiguredChain } from '../open-configured-chain.ts'
import { type Parts, SILENT_LOG, withParts } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { ago, columns, counted, harmless, lasting, paint, print, printJson } from './output.ts'
import { checkTransactionName, findTransactions } from './transaction-names.ts'

const STATUS_COLOURS = {
  pending: 'cyan',
  confirmed: 'green',
  failed: 'red',
  replaced: 'yellow',
  stalled: 'yellow',
  expired: 'yellow',
} as const

/** A transaction with what else is known of it. */
type Known = TransactionDetail & {
  readonly events: readonly TransactionEventView[]
  /** Null of one that has its verdict. */
  readonly diagnosis: Diagnosis | null
}

/** Everything about a transaction. */
export async function showTransaction(name: string, { json }: { json?: boolean }): Promise<void> {
  checkTransactionName(name)
  await withParts('tx', async (parts) => {
    const found = await findTransactions(parts.store, name)
    const transactions = (await Promise.all(found.map(({ id }) => readOne(parts, id)))).filter(
      (each) => each !== null,
    )
    if (json) printJson({ transactions })
    else if (transactions.length > 0)
      print(transactions.map((each) => showOne(each, new Date())).join('\n\n'))
    if (transactions.length > 0) return
    throw new CommandError(
      EXIT.failed,
      `no transaction with ${name.length > 36 ? 'hash' : 'id'} ${name} is recorded`,
    )
  })
}

/** Null if it was pruned a moment ago. */
async function readOne(parts: Parts, id: string): Promise<Known | null> {
  const { store, config } = parts
  const found = await store.loadWithLooks(id)
  if (!found) return null
  const { transaction, looks } = found
  const events = await store.listTransactionEvents(id, exchangeOf(config))
  const diagnosis = isOpen(transaction.status) ? await diagnose(parts, transaction) : null
  return { ...viewDetail(transaction, looks), events, diagnosis }
}

/** As the API does, by asking the nodes, if there are any of its chain. */
async function diagnose(
  { store, db, config }: Parts,
  { id, chain: name }: Transaction,
): Promise<Diagnosis | null> {
  const without = { ...config, rpcWebSocketUrls: [] }
  const hasNodes = config.rpcEndpoints !== null && name === config.chain
  const chain =
    hasNodes &&
    (await openConfiguredChain(
      { config: without, log: SILENT_LOG },
      { metrics: { rpcCalled: () => undefined }, binding: await readChainBinding(db, name) },
    ))
  try {
    const examine = chain ? chain.examine : null
    return await createDiagnosis({ store, examine, policy: config, clock: () => new Date() })(id)
  } finally {
    if (chain) await chain.close()
  }
}

function showOne(transaction: Known, now: Date): string {
  const { txHash, status, looks, events, diagnosis } = transaction
  return [
    `${paint('bold', txHash)}  ${paint(STATUS_COLOURS[status], status)}`,
    columns(factsOf(transaction, now), '  '),
    ...section(
      'looks',
      looks.map((look) => lookRow(look, now)),
    ),
    ...section(
      'events',
      events.flatMap((event) => eventRows(event, now)),
    ),
    ...(diagnosis === null ? [] : ['', paint('bold', 'why'), ...diagnosis.findings.map(findingLine)]),
  ].join('\n')
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length > 0 ? ['', paint('bold', title), columns(rows, '  ')] : []
}

const SEVERITY_COLOURS = { fine: 'green', waiting: 'cyan', problem: 'red' } as const

function findingLine({ severity, text, advice }: Diagnosis['findings'][number]): string {
  return `  ${paint(SEVERITY_COLOURS[severity], harmless(text))} ${harmless(advice)}`
}

/** An event, and under it each webhook that it goes to. */
function eventRows(
  { sequence, status, at, announced, deliveries }: TransactionEventView,
  now: Date,
): string[][] {
  const announcement = announced === null ? '' : announced ? 'announced' : paint('yellow', 'to be announced')
  return [
    [
      paint('dim', ago(at, now)),
      status,
      sequence === null ? 'not in the feed yet' : `number ${sequence}`,
      announcement,
    ],
    ...deliveries.map(({ url, status: delivered, attempts, lastStatusCode, lastError, nextAttemptAt }) => [
      '',
      delivered === 'failed' ? paint('red', delivered) : delivered,
      `${counted(attempts, 'attempt')}${lastStatusCode === null ? '' : `, last answer ${lastStatusCode}`}`,
      harmless(url),
      lastError === null ? '' : paint('yellow', harmless(lastError)),
      delivered === 'pending' && nextAttemptAt !== null ? `next ${fromNow(nextAttemptAt, now)}` : '',
    ]),
  ]
}

function factsOf(transaction: TransactionDetail, now: Date): string[][] {
  const { failure, receipt, lastError, parkedAt, stalledAt } = transaction
  const at = (time: string) => `${time}  ${paint('dim', fromNow(time, now))}`
  const facts: [string, string | null][] = [
    ['id', transaction.id],
    ['chain', transaction.chain],
    ['kind', transaction.kind],
    ['payload', harmless(JSON.stringify(transaction.payload))],
    ['sender', transaction.from],
    ['nonce', transaction.nonce === null ? null : String(transaction.nonce)],
    ['correlation id', transaction.correlationId && harmless(transaction.correlationId)],
    [
      'failure',
      failure && paint('red', failure.code === null ? failure.name : `${failure.name} (${failure.code})`),
    ],
    [
      'block',
      receipt && `${receipt.blockNumber}, place ${receipt.transactionIndex ?? '?'}, ${receipt.blockHash}`,
    ],
    ['gas', receipt && gasOf(receipt)],
    ['registered', at(transaction.createdAt)],
    ['last look', transaction.lastCheckedAt && at(transaction.lastCheckedAt)],
    ['next look', transaction.nextCheckAt && parkedAt === null ? at(transaction.nextCheckAt) : null],
    ['settled', transaction.settledAt && at(transaction.settledAt)],
    ['stalled', stalledAt && at(stalledAt)],
    ['parked', parkedAt && `${at(parkedAt)}, until a recheck`],
    ['retries', String(transaction.retryCount)],
    ['failed attempts', transaction.handlerAttempts > 0 ? String(transaction.handlerAttempts) : null],
    ['business write', writeOf(transaction)],
    ['replaced by', transaction.replacedBy],
    ['last error', lastError && paint('yellow', harmless(lastError))],
  ]
  return facts.flatMap(([name, value]) => (value ? [[name, value]] : []))
}

function gasOf({ gasUsed, effectiveGasPrice }: NonNullable<TransactionDetail['receipt']>): string {
  const used = `${gasUsed ?? '?'} used`
  return effectiveGasPrice === null ? used : `${used} at ${effectiveGasPrice} wei`
}

function writeOf({ status, writeState }: TransactionDetail): string | null {
  if (status !== 'confirmed' && status !== 'failed') return null
  if (writeState === 'done') return 'committed with the verdict'
  return writeState === 'none' ? 'none was run' : 'not recorded whether it ran (settled by version 0.1)'
}

function fromNow(time: string, now: Date): string {
  const aheadMs = new Date(time).getTime() - now.getTime()
  return aheadMs > 0 ? `in ${lasting(aheadMs)}` : ago(time, now)
}

const SIGHTINGS: Readonly<Record<Look['saw'], string>> = {
  receipt: 'final receipt',
  'receipt-not-final': 'in a block that is not final yet',
  'in-pool': 'in the pool of a node, in no block',
  absent: 'no node knows it',
  'nonce-used': "no node knows it, and the sender's nonce is used up",
  unavailable: 'no node gave a usable answer',
}

function lookRow(
  { at, saw, nodes, headNumber, blockNumber, outcome, delayMs, error }: Look,
  now: Date,
): string[] {
  const next = delayMs === null ? '' : `, next look after ${lasting(delayMs)}`
  return [
    paint('dim', ago(at, now)),
    blockNumber === null ? SIGHTINGS[saw] : `${SIGHTINGS[saw]}, block ${blockNumber}`,
    headNumber === null ? '' : `head ${headNumber}`,
    nodes.map(harmless).join(', '),
    `${outcome}${next}`,
    error === null ? '' : paint('yellow', harmless(error)),
  ]
}

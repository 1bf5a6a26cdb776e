import { openParkedQueue, type ParkedMessage, type ParkedQueue } from '../broker/parked.ts'
import { brokerNames } from '../broker/topology.ts'
import { parseCheckMessages } from '../domain/message.ts'
import type { Transaction } from '../domain/transaction.ts'
import { canAsk, isAgreed } from './ask.ts'
import { type Parts, withParts, withSession } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { ago, columns, counted, harmless, paint, print, printError, printJson, shortened } from './output.ts'
import { createProgress } from './progress.ts'
import { type Recheck, recheckWith } from './rechecking.ts'
import { isTransactionName } from './transaction-names.ts'

const CONTENT_SHOWN_CHARS = 100
const REASON_SHOWN_CHARS = 80
const ROWS_AT_ONCE = 200
const NO_BROKER = 'AMQP_URL is not set: there are no parked messages, only transactions'

/** Which of the parked messages. */
type Choice = { readonly all: true } | { readonly first: number } | { readonly named: string }

export async function listParked(options: { limit: number; json?: boolean }): Promise<void> {
  await withParts('parked list', async (parts) => {
    const { config, store } = parts
    const read = await withSession(config, 'parked list', async (session) => {
      const queue = await openParkedQueue(session, config.amqpPrefix)
      const total = await queue.count()
      const messages = await take(queue, { first: options.limit }, total)
      await queue.close()
      return { total, messages }
    })
    const rows = await store.list({ chain: config.chain, parked: true, limit: options.limit })
    const rowCount = await store.count({ chain: config.chain, parked: true })
    if (options.json) {
      printJson({
        messageCount: read?.total ?? null,
        messages: read?.messages.map(viewMessage) ?? null,
        transactionCount: rowCount,
        transactions: rows.map(viewRow),
      })
      return
    }
    if (read === null) print(NO_BROKER)
    else printMessages(brokerNames(config.amqpPrefix).parkedQueue, read.total, read.messages)
    print('')
    printRows(rowCount, rows)
  })
}

/** Back to the check queue. A transaction that a message speaks of is unparked with it: its check would do nothing otherwise. */
export async function requeueParked(what: string | undefined, options: RequeueOptions): Promise<void> {
  const choice = readChoice('requeue', what, options)
  await withParts('parked requeue', async (parts) => {
    const { config } = parts
    const messages: ParkedMessage[] = []
    const transactions: string[] = []
    const keep = (unparked: readonly string[]) => transactions.push(...unparked)
    const requeued = await withSession(config, 'parked requeue', (session) =>
      recheckWith(parts, session.publishCheck, async (again) => {
        const queue = await openParkedQueue(session, config.amqpPrefix)
        await requeueMessages(parts, queue, choice, async (message) => {
          keep(await unpark(parts, rowsOf(message, config.chain), again))
          await queue.requeue(message)
          messages.push(message)
        })
        await queue.close()
        keep(await unparkChosen(parts, choice, again, true))
      }).then(() => true),
    )
    if (requeued === null) {
      printError(NO_BROKER)
      await recheckWith(
        parts,
        async () => undefined,
        async (again) => void keep(await unparkChosen(parts, choice, again, false)),
      )
    }
    if (options.json) printJson({ messages: messages.map(viewMessage), transactions })
    else
      print(
        `requeued ${counted(messages.length, 'message')}, unparked ${counted(transactions.length, 'transaction')}`,
      )
    if ('named' in choice && messages.length === 0 && transactions.length === 0)
      throw nothingNamed(choice.named)
  })
}

interface RequeueOptions {
  readonly all?: boolean
  readonly json?: boolean
}

/** Takes messages away. What it drops it prints first. */
export async function dropParked(
  what: string | undefined,
  options: RequeueOptions & { yes?: boolean },
): Promise<void> {
  const choice = readChoice('drop', what, options)
  await withParts('parked drop', async ({ config }) => {
    const dropped = await withSession(config, 'parked drop', async (session) => {
      const queue = await openParkedQueue(session, config.amqpPrefix)
      const chosen = await take(queue, choice, await queue.count())
      try {
        if (chosen.length > 0 && !options.yes) await mustAgree(chosen.length)
        if (options.json) printJson({ dropped: chosen.map(viewMessage) })
        for (const message of chosen) {
          if (!options.json) print(JSON.stringify(viewMessage(message)))
          queue.drop(message)
        }
      } finally {
        await queue.close()
      }
      return chosen.length
    })
    if (dropped === null) {
      throw new CommandError(EXIT.config, `${NO_BROKER}. Those stay parked until they are rechecked`)
    }
    printError(`dropped ${counted(dropped, 'message')}`)
    if ('named' in choice && dropped === 0) throw nothingNamed(choice.named)
  })
}

async function mustAgree(count: number): Promise<void> {
  if (!canAsk()) {
    throw new CommandError(EXIT.usage, `nothing was dropped: add --yes to drop ${counted(count, 'message')}`)
  }
  const agreed = await isAgreed(
    `drop ${counted(count, 'message')}? What no transaction is recorded of is gone then`,
  )
  if (!agreed) throw new CommandError(EXIT.failed, 'nothing was dropped')
}

function nothingNamed(name: string): CommandError {
  return new CommandError(EXIT.failed, `nothing that is parked has the id or hash ${harmless(name)}`)
}

function readChoice(command: string, what: string | undefined, { all }: RequeueOptions): Choice {
  if ((what === undefined) === (all !== true)) {
    const ways = '--all, a number (so many from the head), or the id of a message or transaction, or a hash'
    throw new CommandError(EXIT.usage, `parked ${command} needs one of these: ${ways}`)
  }
  if (what === undefined) return { all: true }
  return /^\d{1,9}$/.test(what) ? { first: Number(what) } : { named: what }
}

/** The chosen messages, held. No more are looked at than there were, because some may come back at once. */
async function take(queue: ParkedQueue, choice: Choice, total: number): Promise<ParkedMessage[]> {
  const chosen: ParkedMessage[] = []
  await eachChosen(queue, choice, total, async (message) => void chosen.push(message))
  return chosen
}

async function requeueMessages(
  { config }: Parts,
  queue: ParkedQueue,
  choice: Choice,
  requeue: (message: ParkedMessage) => Promise<void>,
): Promise<void> {
  const total = await queue.count()
  const progress = createProgress(`messages of ${brokerNames(config.amqpPrefix).parkedQueue}`)
  let done = 0
  try {
    await eachChosen(queue, choice, total, async (message) => {
      await requeue(message)
      done += 1
      progress.show(done, 'first' in choice ? Math.min(choice.first, total) : total)
    })
  } finally {
    progress.end()
  }
}

async function eachChosen(
  queue: ParkedQueue,
  choice: Choice,
  total: number,
  work: (message: ParkedMessage) => Promise<void>,
): Promise<void> {
  const most = 'first' in choice ? Math.min(choice.first, total) : total
  for (let looked = 0; looked < most; looked += 1) {
    const message = await queue.next()
    if (message === null) return
    if (!('named' in choice) || isNamed(message, choice.named)) await work(message)
  }
}

function isNamed(message: ParkedMessage, name: string): boolean {
  if (message.messageId === name) return true
  return (
    isTransactionName(name) && message.content.toString('utf8').toLowerCase().includes(name.toLowerCase())
  )
}

/** The ids of the rows that a message speaks of. */
function rowsOf({ content }: ParkedMessage, chain: string): string[] {
  const parsed = parseCheckMessages(content.toString('utf8'), chain)
  return parsed.flatMap((each) => (each.kind === 'check' ? [each.check.id] : []))
}

/** Those of the rows that are parked are not any more; returns which. */
async function unpark({ store }: Parts, ids: readonly string[], again: Recheck): Promise<string[]> {
  const unparked: string[] = []
  for (const id of ids) {
    const row = await store.load(id)
    if (row === null || row.parkedAt === null) continue
    if ((await again(id)).outcome === 'rechecked') unparked.push(id)
  }
  return unparked
}

/** The parked rows that the choice means beside those of messages. */
async function unparkChosen(
  parts: Parts,
  choice: Choice,
  again: Recheck,
  hasMessages: boolean,
): Promise<string[]> {
  const { store, config } = parts
  if ('named' in choice) {
    if (!isTransactionName(choice.named)) return []
    const { named } = choice
    const found = named.startsWith('0x')
      ? await store.list({ txHash: named, parked: true, limit: ROWS_AT_ONCE })
      : [await store.load(named.toLowerCase())].filter((row) => row !== null)
    return unpark(
      parts,
      found.map(({ id }) => id),
      again,
    )
  }
  // The number is one of messages, where there are some.
  if ('first' in choice && hasMessages) return []
  let left = 'first' in choice ? choice.first : Number.POSITIVE_INFINITY
  const unparked: string[] = []
  let before: string | undefined
  while (left > 0) {
    const limit = Math.min(left, ROWS_AT_ONCE)
    const page = await store.list({ chain: config.chain, parked: true, limit, ...(before ? { before } : {}) })
    unparked.push(
      ...(await unpark(
        parts,
        page.map(({ id }) => id),
        again,
      )),
    )
    before = page.at(-1)?.id
    if (before === undefined) break
    left -= page.length
  }
  return unparked
}

function viewMessage({ messageId, correlationId, reason, content }: ParkedMessage): object {
  const text = content.toString('utf8')
  const isText = Buffer.from(text).equals(content)
  return {
    messageId,
    correlationId,
    reason,
    ...(isText ? { content: text } : { contentBase64: content.toString('base64') }),
  }
}

function viewRow(row: Transaction): object {
  const { id, chain, txHash, kind, handlerAttempts, lastError, parkedAt } = row
  return { id, chain, txHash, kind, handlerAttempts, lastError, parkedAt: parkedAt?.toISOString() ?? null }
}

function printMessages(queue: string, total: number, messages: readonly ParkedMessage[]): void {
  print(paint('bold', `${counted(total, 'message')} in ${queue}`))
  for (const { messageId, correlationId, reason, content } of messages) {
    const of = correlationId === null ? '' : `, correlation id ${harmless(correlationId)}`
    print(`  ${harmless(messageId ?? 'without an id')}${of}`)
    print(`    ${paint('yellow', harmless(shortened(reason, REASON_SHOWN_CHARS)))}`)
    print(`    ${harmless(shortened(content.toString('utf8'), CONTENT_SHOWN_CHARS))}`)
  }
  if (messages.length < total) print(`  … and ${total - messages.length} more (--limit)`)
}

function printRows(total: number, rows: readonly Transaction[]): void {
  print(paint('bold', `${counted(total, 'transaction')} parked because the business write failed too often`))
  const now = new Date()
  const cells = rows.map((row) => [
    row.id,
    row.kind,
    row.parkedAt ? ago(row.parkedAt, now) : '',
    paint('yellow', harmless(shortened(row.lastError ?? '', REASON_SHOWN_CHARS))),
  ])
  if (cells.length > 0) print(columns(cells, '  '))
  if (rows.length < total) print(`  … and ${total - rows.length} more (--limit)`)
}

import { readHeader } from '../chain/facts/block.ts'
import { readResponse } from '../chain/facts/response.ts'
import { RPC_METHODS } from '../chain/rpc-methods.ts'
import { createRpcTransport } from '../chain/rpc-transport.ts'
import type { TransactionStatus } from '../domain/transaction.ts'

/** A transaction of the demo and the truth about it. */
export interface Sent {
  readonly txHash: string
  readonly expected: 'confirmed' | 'failed' | 'stalled'
}

/** What the database says of it in the end. */
export interface DemoRow {
  readonly tx_hash: string
  readonly status: TransactionStatus
  readonly failure_name: string | null
  readonly retry_count: number
  readonly block_number: string | null
  readonly settled_at: Date | null
  readonly orders: number
}

export interface DemoCheck {
  readonly text: string
  readonly passed: boolean
}

/** Compares rows and orders with what was really sent, one by one. */
export function judge(sent: readonly Sent[], rows: readonly DemoRow[]): DemoCheck[] {
  const byHash = new Map(rows.map((row) => [row.tx_hash, row]))
  const wrong = sent.filter(({ txHash, expected }) => byHash.get(txHash)?.status !== expected)
  const confirmed = rows.filter(({ status }) => status === 'confirmed').length
  const orders = rows.reduce((sum, row) => sum + row.orders, 0)
  const doubled = rows.filter((row) => row.orders > 1).length
  const misplaced = rows.filter((row) => row.orders !== (row.status === 'confirmed' ? 1 : 0)).length
  return [
    {
      text: `every verdict is right: ${sent.length - wrong.length} of ${sent.length}`,
      passed: wrong.length === 0,
    },
    { text: `orders = confirmed: ${orders} = ${confirmed}`, passed: orders === confirmed && misplaced === 0 },
    { text: `none doubled: ${doubled}`, passed: doubled === 0 },
  ]
}

/** The ids of the events that arrived, by the way they came and by transaction hash. */
export type Heard = Map<string, ReadonlyMap<string, string>>

/** Every outcome arrived on every way, everywhere with the same id. */
export function judgeHeard(rows: readonly DemoRow[], heard: Heard): DemoCheck {
  const ways = [...heard.values()]
  const complete = rows.filter(({ tx_hash: txHash }) => {
    const ids = new Set(ways.map((events) => events.get(txHash)))
    return ids.size === 1 && !ids.has(undefined)
  })
  return {
    text: `every outcome arrived by ${[...heard.keys()].join(', ')}, with the same id: ${complete.length} of ${rows.length}`,
    passed: complete.length === rows.length,
  }
}

/** One of the outcomes, as it arrived by each way. */
export function renderHeard(rows: readonly DemoRow[], heard: Heard): string {
  const txHash = rows[0]?.tx_hash ?? ''
  const lines = [...heard].map(([way, events]) => `  ${way.padEnd(20)}  ${events.get(txHash) ?? 'nothing'}`)
  return [`\nthe event of ${shorten(txHash)}:`, ...lines, ''].join('\n')
}

function shorten(txHash: string): string {
  return `${txHash.slice(0, 10)}…${txHash.slice(-6)}`
}

const COLUMNS = ['hash', 'verdict', 'reason', 'retries', 'block to commit', 'order'] as const

/** The table of the demo; the time from block to commit counts from the block's timestamp, in whole seconds. */
export async function renderRows(rows: readonly DemoRow[], rpcUrl: string): Promise<string> {
  const minedAtMs = await readBlockTimes(rows, rpcUrl)
  const cells = rows.map((row) => [
    shorten(row.tx_hash),
    row.status,
    row.failure_name ?? (row.status === 'stalled' ? 'not found on the chain' : ''),
    String(row.retry_count),
    blockToCommit(row, minedAtMs),
    row.orders === 0 ? 'no' : row.orders === 1 ? 'yes' : `${row.orders} times`,
  ])
  const widths = COLUMNS.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  )
  const line = (texts: readonly string[]) =>
    texts
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(COLUMNS), line(widths.map((width) => '─'.repeat(width))), ...cells.map(line)].join('\n')
}

/** When the blocks of these rows were made, by their numbers. */
async function readBlockTimes(
  rows: readonly DemoRow[],
  rpcUrl: string,
): Promise<ReadonlyMap<string, number>> {
  const transport = createRpcTransport({
    name: 'development chain',
    url: rpcUrl,
    timeoutMs: 5_000,
    maxAnswerBytes: 1_000_000,
    redact: (text) => text,
  })
  const minedAtMs = new Map<string, number>()
  for (const block of new Set(rows.flatMap(({ block_number: each }) => each ?? []))) {
    const params = [`0x${Number(block).toString(16)}`]
    const request = { jsonrpc: '2.0', id: 1, method: RPC_METHODS.header, params } as const
    const response = readResponse(request, await transport.send(request))
    if (response.kind === 'error') continue
    const header = readHeader({ blockNumber: Number(block), nowMs: Date.now() }, response.result)
    if (header) minedAtMs.set(block, header.timeMs)
  }
  await transport.close()
  return minedAtMs
}

function blockToCommit(row: DemoRow, minedAtMs: ReadonlyMap<string, number>): string {
  const mined = row.block_number === null ? undefined : minedAtMs.get(row.block_number)
  if (mined === undefined || row.settled_at === null) return ''
  return `${((row.settled_at.getTime() - mined) / 1000).toFixed(2)} s`
}

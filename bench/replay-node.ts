import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { listenOnLoopback } from '../src/dev/ports.ts'

/**
 * A node of a chain with blocks of 1 s, as a process of its own: it holds what `POST /plan` puts into the next
 * block, at any rate, and counts what it is asked. It stands for a node that is never the bottleneck.
 */
interface Placement {
  readonly blockNumber: number
  readonly index: number
}

interface Call {
  readonly id: unknown
  readonly method: string
  readonly params?: readonly unknown[]
}

const BLOCK_MS = 1_000
const FIRST_BLOCK = 1_000
const CHAIN_ID = 8217
const SENDER = `0x${'12'.repeat(20)}`

const startedAtMs = Math.floor(Date.now() / BLOCK_MS) * BLOCK_MS
const placements = new Map<string, Placement>()
const blocks = new Map<number, string[]>()
const counts = { requests: 0, calls: 0 }
let delayMs = 0

function head(): number {
  return FIRST_BLOCK + Math.floor((Date.now() - startedAtMs) / BLOCK_MS)
}

/** Into the next block; answers when that is readable. */
function plan(txHashes: readonly string[]): { blockNumber: number; readableAtMs: number } {
  const blockNumber = head() + 1
  const block = blocks.get(blockNumber) ?? []
  for (const txHash of txHashes) placements.set(txHash, { blockNumber, index: block.push(txHash) - 1 })
  blocks.set(blockNumber, block)
  return { blockNumber, readableAtMs: startedAtMs + (blockNumber - FIRST_BLOCK) * BLOCK_MS }
}

function blockHash(blockNumber: number): string {
  return `0x${'b'.repeat(48)}${blockNumber.toString(16).padStart(16, '0')}`
}

function placementOf(txHash: string): Placement | null {
  const placement = placements.get(txHash)
  return placement && placement.blockNumber <= head() ? placement : null
}

function receiptOf(txHash: string): object | null {
  const placement = placementOf(txHash)
  if (!placement) return null
  return {
    transactionHash: txHash,
    blockHash: blockHash(placement.blockNumber),
    blockNumber: hex(placement.blockNumber),
    transactionIndex: hex(placement.index),
    gasUsed: '0x5208',
    cumulativeGasUsed: '0x5208',
    effectiveGasPrice: '0x5d21dba00',
    from: SENDER,
    to: SENDER,
    contractAddress: null,
    logs: [],
    logsBloom: `0x${'0'.repeat(512)}`,
    type: '0x0',
    status: '0x1',
  }
}

function blockAt(blockNumber: number): object | null {
  if (blockNumber > head()) return null
  const timestampMs = startedAtMs + (blockNumber - FIRST_BLOCK) * BLOCK_MS
  return {
    number: hex(blockNumber),
    hash: blockHash(blockNumber),
    parentHash: blockHash(blockNumber - 1),
    timestamp: hex(timestampMs / 1_000),
    transactions: blocks.get(blockNumber) ?? [],
  }
}

function transactionOf(txHash: string): object | null {
  if (!placements.has(txHash)) return null
  const placement = placementOf(txHash)
  return {
    hash: txHash,
    from: SENDER,
    nonce: '0x1',
    blockNumber: placement && hex(placement.blockNumber),
    blockHash: placement && blockHash(placement.blockNumber),
    transactionIndex: placement && hex(placement.index),
    input: '0x',
    value: '0x0',
    gas: '0x5208',
    gasPrice: '0x0',
    to: SENDER,
    type: '0x0',
  }
}

function resultOf({ method, params = [] }: Call): unknown {
  const first = String(params[0])
  switch (method.replace(/^[a-z]+_/, '').toLowerCase()) {
    case 'chainid':
      return hex(CHAIN_ID)
    case 'blocknumber':
      return hex(head())
    case 'getheaderbynumber': {
      const block = blockAt(first.startsWith('0x') ? Number(first) : head())
      return block && { ...block, transactions: undefined }
    }
    case 'getblockbynumber':
      return blockAt(first.startsWith('0x') ? Number(first) : head())
    case 'getblockreceipts':
      return (blocks.get(Number(`0x${first.slice(-16)}`)) ?? []).map(receiptOf)
    case 'gettransactionreceipt':
      return receiptOf(first)
    case 'gettransactionbyhash':
      return transactionOf(first)
    case 'gettransactioncount':
      return '0x0'
    default:
      throw new Error(`the replay node does not know ${method}`)
  }
}

async function handle(path: string, body: string): Promise<unknown> {
  if (path === '/plan') return plan(JSON.parse(body) as string[])
  if (path === '/delay') {
    delayMs = JSON.parse(body) as number
    return delayMs
  }
  if (path === '/counts') return counts
  if (delayMs > 0) await sleep(delayMs)
  const payload = JSON.parse(body) as Call | Call[]
  counts.requests += 1
  counts.calls += Array.isArray(payload) ? payload.length : 1
  const answer = (call: Call) => ({ jsonrpc: '2.0', id: call.id, result: resultOf(call) })
  return Array.isArray(payload) ? payload.map(answer) : answer(payload)
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}

const server = createServer((request, response) => {
  text(request)
    .then((body) => handle(request.url ?? '/', body))
    .then(
      (answer) => response.setHeader('content-type', 'application/json').end(JSON.stringify(answer)),
      (error: Error) => response.writeHead(500).end(error.message),
    )
})
const port = await listenOnLoopback(server)
process.stdout.write(`http://127.0.0.1:${port}\n`)

import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { closeAtOnce, listenOnLoopback } from '../../src/dev/ports.ts'
import { BATCH_REFUSALS } from './batch-refusals.ts'
import type { DrillChain } from './chain.ts'
import { createFaultCounts, type FaultCounts } from './fault-counts.ts'
import { foreignChainOf } from './foreign-chain.ts'
import { fuzzedAnswer } from './fuzzed-answers.ts'
import { type Answer, answerFrom, bareName, type NodeView } from './node-answers.ts'
import type { Random } from './random.ts'
import { type Asked, untrueAnswers } from './untrue-answers.ts'

/**
 * How a node errs. A number is a share of the requests or answers, from 0 to 1, if nothing else is said; what else
 * there is lasts for as long as it is set. What is left out does not happen.
 */
export interface NodeFaults {
  /** A JSON-RPC error, HTTP status 500 or a connection that breaks, in turn. */
  readonly error?: number
  /** Null instead of a receipt that exists. */
  readonly receiptAbsent?: number
  /** HTTP status 429 with Retry-After. */
  readonly tooManyRequests?: number
  /** No answer at all. */
  readonly hang?: number
  /**
   * Receipts and transactions show up to this much later than their block, while the sender's nonce is there
   * at once: what a good transaction and a replaced one have in common.
   */
  readonly indexLagMs?: number
  /** Share of time slots in which the node shows the chain as it was a while ago. */
  readonly stale?: number
  /** How long an answer takes. */
  readonly delayMs?: number
  /** Answers about another hash, or another number, than was asked for. */
  readonly otherQuestion?: number
  /** Receipts and errors with texts and numbers that PostgreSQL can't store. */
  readonly unstorable?: number
  /** It serves another chain, with the same transactions and other outcomes. */
  readonly otherChain?: boolean
  /** It shows the chain as it was so many blocks ago. */
  readonly behindBlocks?: number
  /** The newest block has a number, or a time, that is far in the future. */
  readonly futureHead?: 'number far ahead' | 'time in ms'
  /** Batches of more calls than this are refused, each time in another way. */
  readonly batchLimit?: number
  /** This method always fails. */
  readonly failingMethod?: { readonly method: string; readonly code: number }
  /**
   * Answers with one place changed: a share of those about the transactions of which this node, by its index among so
   * many, is the one that errs, and of those about blocks while it is its turn.
   */
  readonly fuzz?: { readonly share: number; readonly index: number; readonly of: number }
}

/** A JSON-RPC node of the drill's chain. */
export interface DrillNode {
  readonly url: string
  faults: NodeFaults
  /** Requests taken so far. */
  requests(): number
  /** Answers that were wrong because of the faults that drill 20 counts. */
  readonly counts: FaultCounts
  /** Told of each look for a receipt. */
  onLook: (txHash: string) => void
  /** Told of each answer that was changed: about which transaction, or null, and in which way. */
  onFuzzed: (about: string | null, way: string) => void
  stop(): Promise<void>
}

export interface DrillNodeOptions {
  readonly chain: DrillChain
  readonly random: Random
  readonly chainId: number
  /** Transactions of which it shows the opposite outcome, as only a node of another chain should. */
  readonly contrary: (txHash: string) => boolean
}

interface Call {
  readonly id: number | string
  readonly method: string
  readonly params?: readonly unknown[]
}

const STALE_SLOT_MS = 2_000
const STALE_BLOCKS = 60
const RETRY_AFTER_S = 1
const FOREIGN_CHAIN_ID = 1_001
const FUZZ_SLOT_MS = 2_000
const ABOUT_A_TRANSACTION = ['gettransactionreceipt', 'gettransactionbyhash', 'gettransactioncount']

export async function startDrillNode(options: DrillNodeOptions): Promise<DrillNode> {
  const { chain, random, chainId, contrary } = options
  const foreignChain = foreignChainOf(chain)
  const counts = createFaultCounts()
  let faults: NodeFaults = {}
  let requests = 0
  let refusals = 0
  let onLook: (txHash: string) => void = () => undefined
  let onFuzzed: (about: string | null, way: string) => void = () => undefined
  let staleSlot = { number: -1, stale: false }

  /** Head of the view that is shown. It stays stale for a slot, so that head and receipt fit each other. */
  function shownHead(): number {
    const number = Math.floor(Date.now() / STALE_SLOT_MS)
    if (staleSlot.number !== number) staleSlot = { number, stale: random() < (faults.stale ?? 0) }
    return chain.head() - (staleSlot.stale ? STALE_BLOCKS : 0) - (faults.behindBlocks ?? 0)
  }

  function shownView(): NodeView {
    const view = { chain, chainId, head: shownHead(), contrary, indexLagMs: faults.indexLagMs ?? 0 }
    return faults.otherChain ? { ...view, chain: foreignChain, chainId: FOREIGN_CHAIN_ID } : view
  }

  const answerAsked = untrueAnswers({
    random,
    counts,
    answer: ({ method, parameters }: Asked) => answerFrom(shownView(), method, parameters),
  })

  function answer({ id, method, params: parameters = [] }: Call): object {
    if (faults.otherChain) counts.add('another chain', method)
    if (faults.behindBlocks) counts.add('old head', method)
    const isForReceipt = bareName(method) === 'gettransactionreceipt'
    if (isForReceipt) onLook(String(parameters[0]))
    const isHidden = isForReceipt && random() < (faults.receiptAbsent ?? 0)
    const given: Answer = isHidden ? { result: null } : answerAsked({ method, parameters }, faults)
    return { jsonrpc: '2.0', id, ...(fuzzed(method, parameters, given) ?? given) }
  }

  function fuzzed(method: string, [first]: readonly unknown[], truth: Answer): Answer | null {
    if (!faults.fuzz || random() >= faults.fuzz.share) return null
    const { index, of } = faults.fuzz
    // A transaction and its sender end alike.
    const about = ABOUT_A_TRANSACTION.includes(bareName(method)) ? String(first).slice(-40) : null
    const turn = about === null ? Math.floor(Date.now() / FUZZ_SLOT_MS) : Number(`0x${about.slice(-6)}`)
    if (turn % of !== index) return null
    const changed = fuzzedAnswer(method, truth, random)
    if (changed) onFuzzed(about ?? changed.about?.slice(-40) ?? null, changed.name)
    return changed?.answer ?? null
  }

  function fail(call: Call, response: ServerResponse): void {
    const kind = requests % 3
    if (kind === 0) response.destroy()
    else if (kind === 1) response.writeHead(500).end('no')
    else {
      const error = { code: -32_000, message: 'an error that the drill made' }
      response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, error }))
    }
  }

  function refuse(calls: number, response: ServerResponse): void {
    const refusal = BATCH_REFUSALS[refusals % BATCH_REFUSALS.length]
    refusals += 1
    if (!refusal) return
    counts.add('refused batch', refusal.name, calls)
    refusal.refuse(response)
  }

  function respond(body: string, response: ServerResponse): void {
    requests += 1
    const payload = JSON.parse(body) as Call | Call[]
    const chance = random()
    const { error = 0, tooManyRequests = 0, hang = 0, batchLimit = Number.POSITIVE_INFINITY } = faults
    if (chance < hang) return
    if (chance < hang + tooManyRequests) {
      response.writeHead(429, { 'retry-after': String(RETRY_AFTER_S) }).end('too many requests')
    } else if (chance < hang + tooManyRequests + error) {
      const call = Array.isArray(payload) ? payload[0] : payload
      if (call) fail(call, response)
    } else if (Array.isArray(payload) && payload.length > batchLimit) {
      refuse(payload.length, response)
    } else {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(Array.isArray(payload) ? payload.map(answer) : answer(payload)))
    }
  }

  const server = createServer((request, response) => {
    text(request).then(
      (body) => {
        const { delayMs } = faults
        if (delayMs === undefined) respond(body, response)
        else setTimeout(() => respond(body, response), delayMs)
      },
      () => response.destroy(),
    )
  })
  server.keepAliveTimeout = 60_000
  const port = await listenOnLoopback(server)
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    get faults() {
      return faults
    },
    set faults(changed) {
      faults = changed
    },
    get onLook() {
      return onLook
    },
    set onLook(changed) {
      onLook = changed
    },
    get onFuzzed() {
      return onFuzzed
    },
    set onFuzzed(changed) {
      onFuzzed = changed
    },
    requests: () => requests,
    stop: () => closeAtOnce(server),
  }
}

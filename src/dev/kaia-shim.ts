import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { request } from 'undici'
import { closeAtOnce, listenOnLoopback } from './ports.ts'
import { createSandbox } from './sandbox.ts'

/** A server that makes a plain EVM node look like one of Kaia. */
export interface KaiaShim {
  readonly url: string
  stop(): Promise<void>
}

interface Call {
  id?: unknown
  method: string
  params?: unknown[]
}

interface Answer {
  result?: unknown
}

/** As every EVM node writes it, without spaces. */
const FAILED = '"status":"0x0"'

/** Kaia's methods whose Ethereum names differ by more than the prefix. */
const RENAMED: Readonly<Record<string, string>> = {
  chainID: 'chainId',
  getHeaderByNumber: 'getBlockByNumber',
}

/** Starts a shim on a free loopback port; `klay_*` and `kaia_*` become `eth_*`, receipts get a `txError`. */
export async function startKaiaShim(nodeUrl: string): Promise<KaiaShim> {
  async function forward(body: unknown): Promise<string> {
    const response = await request(nodeUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return response.body.text()
  }

  const sandbox = createSandbox(async () => {
    const call = { jsonrpc: '2.0', id: 1, method: 'eth_getBlockByNumber', params: ['latest', false] }
    const { result } = JSON.parse(await forward(call)) as { result: { number: string; hash: string } }
    return result
  })

  async function answer(payload: Call | Call[]): Promise<string> {
    const calls = [payload].flat()
    const played = calls.map(({ method, params = [] }) => sandbox.resultOf(method, params))
    if (played.every((result) => result === undefined)) return answerByNode(payload)
    const results = await Promise.all(played.map(async (result) => result))
    const real = calls.filter((_, index) => played[index] === undefined)
    const answers = real.length > 0 ? (JSON.parse(await answerByNode(real)) as Answer[]) : []
    const all = calls.map(({ id }, index) =>
      played[index] === undefined ? answers.shift() : { jsonrpc: '2.0', id, result: results[index] },
    )
    return JSON.stringify(Array.isArray(payload) ? all : all[0])
  }

  async function answerByNode(payload: Call | Call[]): Promise<string> {
    const calls = [payload].flat().map(toEthereum)
    const given = await forward(Array.isArray(payload) ? calls : calls[0])
    // Most answers have no failed receipt, and are passed on as they are: some have thousands of receipts.
    if (!given.includes(FAILED)) return given
    const answers = JSON.parse(given) as Answer | Answer[]
    await Promise.all([answers].flat().map(({ result }) => addTxErrors([result].flat())))
    return JSON.stringify(answers)
  }

  // Kaia says why a transaction failed; here, all gas used up means out of gas and anything else a revert.
  async function addTxErrors(results: unknown[]): Promise<void> {
    const failed = results.filter(isFailedReceipt)
    if (failed.length === 0) return
    const calls = failed.map(({ transactionHash }, id) => {
      return { jsonrpc: '2.0', id, method: 'eth_getTransactionByHash', params: [transactionHash] }
    })
    const answers = JSON.parse(await forward(calls)) as { id: number; result: { gas: string } | null }[]
    for (const { id, result } of answers) {
      const receipt = failed[id]
      if (receipt) receipt.txError = result?.gas === receipt.gasUsed ? '0x7' : '0x9'
    }
  }

  async function handle(incoming: IncomingMessage): Promise<string> {
    return answer(JSON.parse(await text(incoming)) as Call | Call[])
  }

  const server = createServer((incoming, outgoing) => {
    handle(incoming).then(
      (response) => {
        outgoing.setHeader('content-type', 'application/json')
        outgoing.end(response)
      },
      (error: Error) => {
        outgoing.statusCode = 502
        outgoing.end(error.message)
      },
    )
  })
  const port = await listenOnLoopback(server)
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => closeAtOnce(server),
  }
}

function toEthereum(call: Call): Call {
  const name = /^(?:klay|kaia)_(.+)$/.exec(call.method)?.[1]
  if (name === undefined) return call
  const method = `eth_${RENAMED[name] ?? name}`
  const params = method === 'eth_getBlockByNumber' ? [call.params?.[0], false] : call.params
  return { ...call, method, ...(params ? { params } : {}) }
}

interface FailedReceipt {
  readonly transactionHash: string
  readonly gasUsed: string
  txError?: string
}

function isFailedReceipt(result: unknown): result is FailedReceipt {
  return typeof result === 'object' && result !== null && (result as { status?: unknown }).status === '0x0'
}

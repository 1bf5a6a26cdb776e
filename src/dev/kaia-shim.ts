import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { request } from 'undici'

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

/** Kaia's methods whose Ethereum names differ by more than the prefix. */
const RENAMED: Readonly<Record<string, string>> = {
  chainID: 'chainId',
  getHeaderByNumber: 'getBlockByNumber',
}

/** Starts a shim on a free loopback port; `klay_*` and `kaia_*` become `eth_*`, receipts get a `txError`. */
export async function startKaiaShim(nodeUrl: string): Promise<KaiaShim> {
  async function forward(body: unknown): Promise<unknown> {
    const response = await request(nodeUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return response.body.json()
  }

  async function answer(call: Call): Promise<unknown> {
    const method = ethereumMethod(call.method)
    const params = method === 'eth_getBlockByNumber' ? [call.params?.[0], false] : call.params
    const response = (await forward({ ...call, method, params })) as { result?: unknown }
    if (method === 'eth_getTransactionReceipt' && isFailedReceipt(response.result)) {
      return { ...response, result: { ...response.result, txError: await txErrorOf(response.result) } }
    }
    return response
  }

  // Kaia says why a transaction failed; here, all gas used up means out of gas and anything else a revert.
  async function txErrorOf(receipt: { transactionHash: string; gasUsed: string }): Promise<string> {
    const call = {
      jsonrpc: '2.0',
      id: 0,
      method: 'eth_getTransactionByHash',
      params: [receipt.transactionHash],
    }
    const { result } = (await forward(call)) as { result: { gas: string } | null }
    return result?.gas === receipt.gasUsed ? '0x7' : '0x9'
  }

  async function handle(incoming: IncomingMessage): Promise<unknown> {
    const payload = JSON.parse(await text(incoming)) as Call | Call[]
    return Array.isArray(payload) ? Promise.all(payload.map(answer)) : answer(payload)
  }

  const server = createServer((incoming, outgoing) => {
    handle(incoming).then(
      (response) => {
        outgoing.setHeader('content-type', 'application/json')
        outgoing.end(JSON.stringify(response))
      },
      (error: Error) => {
        outgoing.statusCode = 502
        outgoing.end(error.message)
      },
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the shim got no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function ethereumMethod(method: string): string {
  const name = /^(?:klay|kaia)_(.+)$/.exec(method)?.[1]
  return name === undefined ? method : `eth_${RENAMED[name] ?? name}`
}

function isFailedReceipt(
  result: unknown,
): result is { status: string; transactionHash: string; gasUsed: string } {
  return typeof result === 'object' && result !== null && (result as { status?: unknown }).status === '0x0'
}

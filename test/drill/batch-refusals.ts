import type { ServerResponse } from 'node:http'

/** A way in which nodes and proxies refuse a batch that is too large for them. */
export interface BatchRefusal {
  readonly name: string
  refuse(response: ServerResponse): void
}

function json(name: string, status: number, body: object): BatchRefusal {
  return {
    name,
    refuse: (response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    },
  }
}

function error(code: number, message: string): object {
  return { jsonrpc: '2.0', id: null, error: { code, message } }
}

/** As they were reported of Erigon, geth, Kaia, hosted nodes and proxies before them. */
export const BATCH_REFUSALS: readonly BatchRefusal[] = [
  json('object -32000', 200, error(-32_000, 'batch limit exceeded')),
  json('array -32000', 200, [error(-32_000, 'batch limit exceeded')]),
  json('object -32600', 200, error(-32_600, 'batch too large')),
  json('object -32010', 200, error(-32_010, 'The batch request was too large')),
  json('object -32005', 200, error(-32_005, 'Batched requests are not supported by this server')),
  json('HTTP 500', 500, { message: 'batch too large for this plan', code: 31 }),
  json('HTTP 400', 400, error(-32_600, 'batch too large')),
  json('HTTP 413', 413, {}),
  { name: 'connection closed', refuse: (response) => void response.destroy() },
]

import type { JsonRpcRequest, RpcTransport } from '../chain/rpc-transport.ts'

type Callback = (error: Error | null, response?: unknown) => void

/** What `new Caver(provider)` needs of a provider. */
export interface CaverProvider {
  send(call: JsonRpcRequest, callback: Callback): void
  supportsSubscriptions(): boolean
}

/**
 * caver-js on our transport. Its own HttpProvider has no time limit, ignores the HTTP status and calls back
 * twice on abort.
 */
export function createCaverProvider(transport: RpcTransport): CaverProvider {
  return {
    send(call, callback) {
      transport.send(call).then(
        // Braces: caver-js returns its rejected promise here, which must not become our own.
        (response) => {
          callback(null, response)
        },
        (error: Error) => {
          callback(error)
        },
      )
    },
    supportsSubscriptions: () => false,
  }
}

import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import type { Api } from './api.ts'
import type { Connection, Live, LiveEvent } from './live.ts'

/** What the parts of the page ask. */
export interface Server {
  readonly api: Api
  readonly live: Live
}

export const ServerContext = createContext<Server | null>(null)

export function useServer(): Server {
  const server = useContext(ServerContext)
  if (!server) throw new Error('outside of ServerContext')
  return server
}

export function useConnection(): Connection {
  const { live } = useServer()
  const [connection, setConnection] = useState(live.connection())
  useEffect(() => {
    setConnection(live.connection())
    return live.watch(setConnection)
  }, [live])
  return connection
}

export type Concerns = (event: LiveEvent) => boolean

import type { Lifecycle } from '../src/lifecycle.ts'
import { createDatabase, type Parts, startProgram } from './parts.ts'

/** What confirmd is compared with; each is a program under peers/. */
export type Peer = 'original-design' | 'viem'

export async function startPeer(
  lifecycle: Lifecycle,
  parts: Parts,
  peer: Peer,
  nodeUrl: string,
): Promise<{
  apiUrl: string
  countSettled: () => Promise<number>
  readSettledAt: () => Promise<ReadonlyMap<string, number>>
}> {
  const { url, db } = await createDatabase(lifecycle, parts)
  await db.raw(
    `CREATE TABLE history (tx_hash text PRIMARY KEY, kind text NOT NULL, payload jsonb NOT NULL,
       is_confirmed boolean NOT NULL DEFAULT false, retry_count integer NOT NULL DEFAULT 0,
       receipt jsonb, settled_at timestamptz)`,
  )
  const environment = { DATABASE_URL: url, AMQP_URL: parts.rabbitmq.url, RPC_URL: nodeUrl }
  const apiUrl = await startProgram(lifecycle, `peers/${peer}.ts`, environment)
  return {
    apiUrl,
    countSettled: async () => {
      const row = (await db('history').where({ is_confirmed: true }).count('* as count').first()) as
        | { count: string }
        | undefined
      return Number(row?.count)
    },
    readSettledAt: async () => {
      const rows = (await db('history').select('tx_hash', 'settled_at')) as {
        tx_hash: string
        settled_at: Date | null
      }[]
      return new Map(rows.map((row) => [row.tx_hash, row.settled_at?.getTime() ?? Number.NaN]))
    },
  }
}

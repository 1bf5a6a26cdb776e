import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Config } from '../config.ts'
import type { Lifecycle } from '../lifecycle.ts'

/** A part that was not configured and runs inside. */
export interface EmbeddedPart {
  readonly part: string
  readonly location: string
  /** What to set to use a real one. */
  readonly insteadSet: string
}

const FOLDER = '.confirmd'
const POSTGRES_FOLDER = 'postgres'

/** Starts what the configuration leaves out, keeping its data under `.confirmd/`. */
export async function embedMissing(
  config: Config,
  lifecycle: Lifecycle,
): Promise<Pick<Config, 'rpcUrls' | 'rpcWebSocketUrls'> & { databaseUrl: string; parts: EmbeddedPart[] }> {
  const folder = resolve(FOLDER)
  const parts: EmbeddedPart[] = []
  let { databaseUrl, rpcUrls, rpcWebSocketUrls } = config
  if (databaseUrl === null) {
    const { startEmbeddedPostgres } = await import('./embedded-postgres.ts')
    const postgres = await startEmbeddedPostgres({ folder: join(folder, POSTGRES_FOLDER) })
    lifecycle.add('embedded PostgreSQL', postgres.stop)
    databaseUrl = postgres.url
    parts.push({
      part: 'PostgreSQL',
      location: `127.0.0.1:${postgres.port}, data in ${FOLDER}/${POSTGRES_FOLDER}`,
      insteadSet: 'DATABASE_URL',
    })
  }
  if (rpcUrls === null) {
    const { startDevelopmentChain } = await import('./development-chain.ts')
    await mkdir(folder, { recursive: true })
    const stateFile = join(folder, 'chain.json')
    const chain = await startDevelopmentChain({ chainId: config.chainId, stateFile })
    lifecycle.add('development chain', chain.stop)
    rpcUrls = [chain.url]
    rpcWebSocketUrls = [chain.webSocketUrl]
    parts.push({
      part: 'development chain',
      location: `${chain.url}, blocks of 1 s`,
      insteadSet: 'RPC_URLS',
    })
  }
  return { databaseUrl, rpcUrls, rpcWebSocketUrls, parts }
}

/** The URL of the database of a `start` that runs with its embedded one in this folder; null if there is none. */
export async function findEmbeddedDatabase(): Promise<string | null> {
  const { findRunningPostgres } = await import('./embedded-postgres.ts')
  return findRunningPostgres(resolve(FOLDER, POSTGRES_FOLDER))
}

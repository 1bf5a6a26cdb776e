import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Config } from '../config.ts'
import type { Lifecycle } from '../lifecycle.ts'
import { URLS_FILE } from './embedded-urls.ts'

/** A part that was not configured and runs inside. */
export interface EmbeddedPart {
  readonly part: string
  readonly location: string
  /** What to set to use a real one. */
  readonly insteadSet: string
}

interface Embedded extends Pick<Config, 'rpcEndpoints' | 'rpcWebSocketUrls'> {
  readonly databaseUrl: string
  readonly parts: readonly EmbeddedPart[]
  /** Holds the URLs of the embedded parts while we run. */
  readonly urlsFile: string
}

const FOLDER = '.confirmd'
const POSTGRES_FOLDER = 'postgres'

/** Starts what the configuration leaves out, keeping its data under `.confirmd/`. */
export async function embedMissing(config: Config, lifecycle: Lifecycle): Promise<Embedded> {
  const folder = resolve(FOLDER)
  const parts: EmbeddedPart[] = []
  let { databaseUrl, rpcEndpoints, rpcWebSocketUrls } = config
  if (databaseUrl === null) {
    const { startEmbeddedPostgres } = await import('./embedded-postgres.ts')
    const { isCopy } = await import('./postgres-binaries.ts')
    const postgres = await startEmbeddedPostgres({ folder: join(folder, POSTGRES_FOLDER) })
    lifecycle.add('embedded PostgreSQL', postgres.stop)
    databaseUrl = postgres.url
    const places = [
      `127.0.0.1:${postgres.port}`,
      `data in ${FOLDER}/${POSTGRES_FOLDER}`,
      ...(isCopy(postgres.programs) ? [`programs copied to ${postgres.programs}`] : []),
    ]
    parts.push({
      part: 'PostgreSQL',
      location: places.join(', '),
      insteadSet: 'DATABASE_URL',
    })
  }
  if (rpcEndpoints === null) {
    const { startDevelopmentChain } = await import('./development-chain.ts')
    await mkdir(folder, { recursive: true })
    const stateFile = join(folder, 'chain.json')
    const chain = await startDevelopmentChain({ chainId: config.chainId, stateFile })
    lifecycle.add('development chain', chain.stop)
    rpcEndpoints = [{ url: chain.url, label: null }]
    rpcWebSocketUrls = [chain.webSocketUrl]
    parts.push({
      part: 'development chain',
      location: `${chain.url}, blocks of 1 s`,
      insteadSet: 'RPC_URLS',
    })
  }
  const embedded = {
    ...(config.databaseUrl === null ? { DATABASE_URL: databaseUrl } : {}),
    ...(config.rpcEndpoints === null ? { RPC_URLS: rpcEndpoints.map(({ url }) => url).join(',') } : {}),
  }
  lifecycle.add('file of URLs', await writeUrls(resolve(URLS_FILE), embedded))
  return { databaseUrl, rpcEndpoints, rpcWebSocketUrls, parts, urlsFile: URLS_FILE }
}

/** Resolves with what takes the file away again. It holds a password: only we may read it. */
async function writeUrls(file: string, urls: Readonly<Record<string, string>>): Promise<() => Promise<void>> {
  const lines = Object.entries(urls).map(([variable, url]) => `${variable}=${url}\n`)
  const remove = () => rm(file, { force: true })
  await remove()
  await writeFile(file, lines.join(''), { mode: 0o600 })
  return remove
}

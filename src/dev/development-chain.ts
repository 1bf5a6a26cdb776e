import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type KaiaShim, startKaiaShim } from './kaia-shim.ts'
import { startLeashed, untilReady } from './leashed.ts'
import { accepts, freePort } from './ports.ts'

export interface DevelopmentChain {
  /** Answers `klay_*` and `kaia_*`. */
  readonly url: string
  /** Announces new blocks. */
  readonly webSocketUrl: string
  stop(): Promise<void>
}

export interface DevelopmentChainOptions {
  readonly chainId: number
  /** Keeps the chain between two starts; without it, the chain is forgotten. */
  readonly stateFile?: string
}

const BLOCK_TIME_S = 1
const START_TIMEOUT_MS = 30_000

/** Starts anvil with blocks of one second, as on Kaia, behind a shim that speaks Kaia's methods. */
export async function startDevelopmentChain(options: DevelopmentChainOptions): Promise<DevelopmentChain> {
  const port = await freePort()
  const anvil = startLeashed({
    command: findAnvil(),
    parameters: [
      ...['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(options.chainId)],
      ...['--block-time', String(BLOCK_TIME_S), '--quiet'],
      ...(options.stateFile ? ['--state', options.stateFile] : []),
    ],
    stopSignal: 'SIGTERM',
  })
  let shim: KaiaShim
  try {
    await untilReady('the development chain', anvil, () => accepts(port), START_TIMEOUT_MS)
    shim = await startKaiaShim(`http://127.0.0.1:${port}`)
  } catch (error) {
    await anvil.stop()
    throw error
  }
  return {
    url: shim.url,
    webSocketUrl: `ws://127.0.0.1:${port}`,
    stop: async () => {
      await shim.stop()
      await anvil.stop()
    },
  }
}

/** The binary that the development dependency brings for this platform, or else an anvil on the PATH. */
function findAnvil(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}`
  try {
    const base = createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json')
    const packageFile = createRequire(base).resolve(`${name}/package.json`)
    const brought = join(packageFile, '..', 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil')
    return existsSync(brought) ? brought : 'anvil'
  } catch (error) {
    throw new Error(
      'there is no development chain: install the development dependencies (npm ci), or set RPC_URLS',
      { cause: error },
    )
  }
}

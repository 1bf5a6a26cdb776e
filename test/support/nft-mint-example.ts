import { execFile } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { type Leashed, startLeashed } from '../../src/dev/leashed.ts'

const run = promisify(execFile)
const SOURCE = 'examples/nft-mint'
const START_TIMEOUT_MS = 30_000

interface PackageJson {
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly overrides: Readonly<Record<string, unknown>>
}

/** An order as the example shows it. */
export interface ShownOrder {
  readonly id: string
  readonly state: string
  readonly txHash: string | null
  readonly failure: string | null
  readonly problem: string | null
  readonly mintedIn: string | null
  readonly tokenId: string | null
  readonly watchedAt: string | null
}

export interface RunningExample {
  readonly url: string
  readonly contract: string
  /** SIGKILL. */
  kill(): Promise<void>
}

export async function readPackageJson(folder: string): Promise<PackageJson> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as PackageJson
}

/** Copies the example to where it would be beside confirmd, and installs it with confirmd as it is packed. */
export async function installExample(root: string): Promise<string> {
  const folder = join(root, SOURCE)
  await cp(SOURCE, folder, {
    recursive: true,
    filter: (source) => basename(source) !== 'node_modules',
  })
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', root])
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  const packageJson = await readPackageJson(folder)
  const dependencies = { ...packageJson.dependencies, confirmd: `file:${join(root, filename)}` }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ ...packageJson, dependencies }))
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', SOURCE], { cwd: root })
  return folder
}

/** The bash blocks of its README, in their order. */
export async function readCommands(): Promise<string[]> {
  const readme = await readFile(join(SOURCE, 'README.md'), 'utf8')
  return [...readme.matchAll(/```bash\n(.*?)```/gs)].map(([, commands = '']) => commands.trim())
}

/** What a command sets before its `npm start`. */
export function environmentOf(command: string): Record<string, string> {
  const settings = /^((?:[A-Z_]+=\S+ )*)npm start$/m.exec(command)?.[1]
  if (settings === undefined) throw new Error(`there is no npm start in: ${command}`)
  return Object.fromEntries(
    [...settings.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  )
}

/** What `npm start` runs, but without npm, which does not pass a kill on. */
export async function startExample(
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<RunningExample> {
  const { scripts } = await readPackageJson(folder)
  const [, ...parameters] = scripts['start']?.split(' ') ?? []
  let said = ''
  const example = startLeashed({
    command: process.execPath,
    parameters,
    environment: { DATABASE_URL: '', PORT: '0', ...environment },
    stopSignal: 'SIGKILL',
    workingDirectory: folder,
    onOutput: (text) => {
      said += text
    },
  })
  const deadline = Date.now() + START_TIMEOUT_MS
  while (!/open http/.test(said)) {
    if (!example.isRunning() || Date.now() > deadline) await giveUp(example)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const [, contract = ''] = /contract (0x[0-9a-f]{40})/i.exec(said) ?? []
  const [, url = ''] = /open (\S+)/.exec(said) ?? []
  return { url, contract, kill: example.stop }
}

async function giveUp(example: Leashed): Promise<never> {
  await example.stop()
  throw new Error(`the example did not start:\n${example.output()}`)
}

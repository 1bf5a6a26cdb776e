import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What the addresses of a name are, one look after another. */
export interface StagedName {
  /** The addresses at the first, second, … look. */
  readonly answers: readonly (readonly string[])[]
  /** What comes after the last of them: it again, or all of them from the first. */
  readonly again: 'last' | 'all'
}

export interface Look {
  readonly name: string
  readonly addresses: readonly string[]
}

export interface ConnectionAttempt {
  readonly address: string
  readonly port: number
}

/** Names of the drill's own for the processes that are started with `environment`, and a log of what they do. */
export interface NetworkWatch {
  readonly environment: Readonly<Record<string, string>>
  /** Looks at the drill's names; other names are looked up as ever and not written down. */
  looks(): Promise<Look[]>
  /** Every TCP connection that was tried, whatever came of it. Those that lead away from this machine are refused. */
  connections(): Promise<ConnectionAttempt[]>
}

const PRELOAD = new URL('./network-watch-preload.js', import.meta.url).href

/** Counts of looks are kept by process, so that a name that changes is for one process at a time. */
export function watchNetwork(
  folder: string,
  title: string,
  names: Readonly<Record<string, StagedName>>,
): NetworkWatch {
  const file = join(folder, `network-${title}.log`)

  async function read<T extends object>(isKind: (line: object) => line is T): Promise<T[]> {
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line) as object).filter(isKind)
  }

  return {
    environment: {
      NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import=${PRELOAD}`.trim(),
      DRILL_NAMES: JSON.stringify(names),
      DRILL_NETWORK_LOG: file,
    },
    looks: () => read((line): line is Look => 'name' in line),
    connections: () => read((line): line is ConnectionAttempt => 'port' in line),
  }
}

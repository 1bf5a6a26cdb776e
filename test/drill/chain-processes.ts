import type { DrillContext } from './drill.ts'
import { type Fleet, isTelling, startFleet } from './fleet.ts'
import { demand } from './poll.ts'
import type { Random } from './random.ts'
import { createRegistrar, type Registrar } from './registrar.ts'
import { areReady } from './scene.ts'
import type { NamedChain } from './second-chain.ts'

/** The API and the workers of one chain of several, and the backend that registers with this API. */
export interface ChainProcesses {
  readonly registrar: Registrar
  apiUrl(): Promise<string>
  /** SIGKILL for one of the workers; false if none is running. */
  killWorker(random: Random): boolean
  /** Workers killed so far. */
  kills(): number
  /** Checks of other chains that its workers took from the queue and left to others. */
  checksLeft(): number
  /** Ends all its processes, and starts as many with other settings. */
  restart(changes: Readonly<Record<string, string>>): Promise<void>
}

const WORKERS = 2
/** What a worker logs when it acknowledges a check of a chain that it does not serve. */
const CHECK_LEFT = 'check left to a process that serves its chain'

/** @param main the program of the workers; this build if left out */
export async function startChainProcesses(
  context: DrillContext,
  { chain, environment }: Pick<NamedChain, 'chain' | 'environment'>,
  main?: string,
): Promise<ChainProcesses> {
  let fleets = await startFleets(environment)
  let kills = 0
  let checksLeft = 0
  const apiUrl = () => fleets.apis.url()
  const registrar = createRegistrar(chain, apiUrl)
  context.lifecycle.add('registrar', registrar.close)

  async function startFleets(
    settings: Readonly<Record<string, string>>,
  ): Promise<{ apis: Fleet; workers: Fleet }> {
    const apis = await startFleet(context, 'api', settings, { size: 1 })
    const workers = await startFleet(context, 'worker', settings, {
      size: WORKERS,
      ...(main === undefined ? {} : { main }),
      keepLine: (line) => {
        if (line.msg === CHECK_LEFT) checksLeft += 1
        return isTelling(line)
      },
    })
    await demand('the workers consume', () => areReady(workers))
    return { apis, workers }
  }

  return {
    registrar,
    apiUrl,
    killWorker: (random) => {
      if (!fleets.workers.killOne(random)) return false
      kills += 1
      return true
    },
    kills: () => kills,
    checksLeft: () => checksLeft,
    restart: async (changes) => {
      await Promise.all([fleets.apis.stop(), fleets.workers.stop()])
      fleets = await startFleets({ ...environment, ...changes })
    },
  }
}

import type { DrillContext } from './drill.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { type Parts, type PartsOptions, startParts } from './parts.ts'
import { pollUntil } from './poll.ts'
import { createRegistrar, type Registrar } from './registrar.ts'

/** The usual ground of a drill: the parts, APIs, workers, and a backend that registers. */
export interface Scene<P extends Parts = Parts> {
  readonly parts: P
  readonly apis: Fleet
  readonly workers: Fleet
  readonly registrar: Registrar
}

export interface SceneOptions extends PartsOptions {
  readonly workers?: number
}

const USUAL_WORKERS = 4

export async function openScene(context: DrillContext, options: SceneOptions = {}): Promise<Scene> {
  return openSceneOn(context, await startParts(context, options), options)
}

/** The same for parts that are there already. */
export async function openSceneOn<P extends Parts>(
  context: DrillContext,
  parts: P,
  options: Pick<SceneOptions, 'workers'> = {},
): Promise<Scene<P>> {
  const apis = await startFleet(context, 'api', parts.environment, { size: 1 })
  const size = options.workers ?? USUAL_WORKERS
  const workers = await startFleet(context, 'worker', parts.environment, { size })
  const registrar = createRegistrar(parts.chain, apis.url)
  context.lifecycle.add('registrar', registrar.close)
  await pollUntil(() => areReady(workers), { timeoutMs: 30_000 })
  return { parts, apis, workers, registrar }
}

/** Whether every process of the fleet can work; a worker can if it consumes. */
export async function areReady(fleet: Fleet): Promise<boolean> {
  const answers = await Promise.all(
    fleet.members().map(({ url }) =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    ),
  )
  return answers.every((ok) => ok)
}

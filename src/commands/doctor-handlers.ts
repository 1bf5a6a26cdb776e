import type { Config } from '../config.ts'
import { loadHandlers } from '../load-handlers.ts'
import { messageOf } from './context.ts'
import { type Finding, fail, ok } from './doctor-finding.ts'

/** The business writes: whether a worker started like this would have them. */
export async function checkHandlers({ handlers: specifier }: Config): Promise<readonly Finding[]> {
  if (specifier === null) {
    return [
      ok('handlers', 'HANDLERS is not set: every kind gets its verdict and its event, no business write'),
    ]
  }
  try {
    const kinds = [...(await loadHandlers(specifier)).keys()]
    return [ok('handlers', `${specifier}: ${kinds.length > 0 ? kinds.join(', ') : 'no kinds'}`)]
  } catch (error) {
    const advice = 'a path is resolved from the folder that the worker starts in'
    return [fail('handlers', messageOf(error), advice)]
  }
}

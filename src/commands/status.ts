import type { Overview } from '../domain/overview.ts'
import { exchangeOf } from '../exchange-of-chain.ts'
import { createOverview } from '../flows/overview.ts'
import { packageVersion } from '../version.ts'
import { type Parts, withParts } from './context.ts'
import { createDepths, type Depths } from './depths.ts'
import { print, printError, printJson } from './output.ts'
import { showOverview } from './overview-text.ts'

/** How confirmd is doing, on one screen. */
export async function status({ json }: { json?: boolean }): Promise<void> {
  await withParts('status', async (parts) => {
    const depths = createDepths(parts)
    try {
      const overview = await readOverview(parts, depths)
      const problem = depths.problem()
      if (!json) print(showOverview(overview, problem))
      else {
        if (problem !== null) printError(problem)
        printJson(overview)
      }
    } finally {
      await depths.close()
    }
  })
}

/** The same as `GET /v1/overview` answers. */
export function readOverview({ config, store }: Parts, depths: Depths): Promise<Overview> {
  return createOverview({
    store,
    queueDepths: depths.read,
    exchange: exchangeOf(config),
    chain: config.chain,
    version: packageVersion(),
    clock: () => new Date(),
  }).now()
}

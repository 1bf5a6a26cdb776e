import type { Condition, DrillContext } from './drill.ts'
import { startNodes } from './parts.ts'
import { startRefused } from './refused-start.ts'
import type { NamedChain } from './second-chain.ts'

/** Settings of one chain with something of the other in them. */
interface WrongSettings {
  /** What is wrong, in words. */
  readonly what: string
  readonly changes: Readonly<Record<string, string>>
  /** What a person must be told. */
  readonly told: string
}

/** Starts workers of each chain with settings of the other: each must end with an error that says what is wrong. */
export async function startOnWrongChains(
  context: Pick<DrillContext, 'lifecycle' | 'random' | 'say'>,
  first: NamedChain,
  second: NamedChain,
): Promise<Condition[]> {
  const conditions: Condition[] = []
  for (const [own, other] of [
    [first, second],
    [second, first],
  ] as const) {
    for (const { what, changes, told } of await wrongSettingsOf(context, own, other)) {
      const { code, output } = await startRefused('worker', { ...own.environment, ...changes })
      const isTold = output.includes(told)
      if (!isTold) context.say(`it was not said that '${told}', but:\n${output}`)
      conditions.push({
        text: `a worker of ${own.name} with ${what}: exit code ${code ?? 'none, it ran on'}, '${told}' ${isTold ? 'was said' : 'was not said'}`,
        passed: code !== null && code !== 0 && isTold,
      })
    }
  }
  return conditions
}

async function wrongSettingsOf(
  context: Pick<DrillContext, 'lifecycle' | 'random'>,
  own: NamedChain,
  other: NamedChain,
): Promise<WrongSettings[]> {
  const urls = { RPC_URLS: other.environment['RPC_URLS'] ?? '' }
  const shown = {
    ...other,
    chainId: own.chainId,
    nodeName: `node of ${other.name} with the id of ${own.name}`,
  }
  const [impostor] = await startNodes(context, shown)
  return [
    {
      what: `the nodes of ${other.name}`,
      changes: urls,
      told: `it is on chain ${other.chainId}, not ${own.chainId}`,
    },
    {
      what: `the nodes and the chain id of ${other.name}`,
      changes: { ...urls, CHAIN_ID: String(other.chainId) },
      told: `CHAIN_ID is ${other.chainId}, but in this database the chain '${own.name}' is the one with id ${own.chainId}`,
    },
    {
      what: `a node that has its chain id and the blocks of ${other.name}`,
      changes: { RPC_URLS: impostor?.url ?? '' },
      told: `in this database the chain '${own.name}' is the one with 0x${own.mark}`,
    },
  ]
}

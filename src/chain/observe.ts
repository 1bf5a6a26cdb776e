import type { Observation } from '../domain/finality.ts'
import type { ChainNode } from './node.ts'

/**
 * Looks at the first node that answers, in the order of preference. Head and receipt are of one node.
 * If none answers, the observation is `unavailable`, with what each of them said.
 */
export async function observe(nodes: readonly ChainNode[], txHash: string): Promise<Observation> {
  const errors: string[] = []
  for (const node of nodes) {
    try {
      return await node.look(txHash)
    } catch (error) {
      errors.push((error as Error).message)
    }
  }
  return { kind: 'unavailable', error: errors.join('; ') }
}

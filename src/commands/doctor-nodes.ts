import type { ChainBinding } from '../chain/anchor-check.ts'
import type { Config } from '../config.ts'
import type { NodeState } from '../domain/process.ts'
import { openConfiguredChain } from '../open-configured-chain.ts'
import { SILENT_LOG } from './context.ts'
import { type Finding, fail, ok, warn } from './doctor-finding.ts'

const ANNOUNCEMENT_TIMEOUT_MS = 10_000

/** The nodes: whether they answer, are on the right chain, and are up to date. */
export async function checkNodes(config: Config, binding: ChainBinding): Promise<readonly Finding[]> {
  if (config.rpcEndpoints === null) {
    const text = 'RPC_URLS is not set: a worker has no node to ask'
    return [warn('nodes', text, "set RPC_URLS; only 'confirmd start' brings a development chain of its own")]
  }
  const states = await readStates(config, binding)
  const best = Math.max(0, ...states.map(({ headNumber }) => headNumber ?? 0))
  const announcing = await Promise.all(config.rpcWebSocketUrls.map(checkAnnouncing))
  return [...states.map((state) => checkNode(state, best)), ...announcing]
}

async function readStates(config: Config, binding: ChainBinding): Promise<readonly NodeState[]> {
  const without = { ...config, rpcWebSocketUrls: [] }
  const chain = await openConfiguredChain(
    { config: without, log: SILENT_LOG },
    { metrics: { rpcCalled: () => undefined }, binding },
  )
  try {
    // The first time shows how far the chain is, the second who is behind.
    await chain.readNodeStates()
    return await chain.readNodeStates()
  } finally {
    await chain.close()
  }
}

function checkNode({ name, headNumber, headAt, problem }: NodeState, best: number): Finding {
  if (problem !== null) {
    const advice = /on chain \d+/.test(problem)
      ? 'it is not used until then'
      : 'see whether it runs, can be reached from here and is in sync; other nodes are asked meanwhile'
    return fail('nodes', problem.includes(name) ? problem : `${name}: ${problem}`, advice)
  }
  const ageS = headAt === null ? 0 : Math.max(0, Math.round((Date.now() - Date.parse(headAt)) / 1_000))
  const lagBlocks = best - (headNumber ?? 0)
  const lag = lagBlocks > 0 ? `, ${lagBlocks} behind the best` : ''
  return ok('nodes', `${name}: right chain, head ${headNumber}, ${ageS} s old${lag}`)
}

/** A hint only: without it blocks are asked for. */
async function checkAnnouncing(url: string): Promise<Finding> {
  const { listenForHeads } = await import('../chain/head-announcements.ts')
  const { host } = new URL(url)
  let problem: string | null = `no block within ${ANNOUNCEMENT_TIMEOUT_MS / 1_000} s`
  const heard = new AbortController()
  const announcements = listenForHeads({
    urls: [url],
    pingIntervalMs: ANNOUNCEMENT_TIMEOUT_MS,
    onChanged: (_node, changed) => {
      problem = changed
      heard.abort()
    },
  })
  await announcements.wait(0, ANNOUNCEMENT_TIMEOUT_MS, heard.signal)
  announcements.close()
  if (problem === null) return ok('nodes', `${host} announces new blocks`)
  return warn('nodes', `${host} announces no new blocks: ${problem}`, 'is RPC_WS_URLS right?')
}

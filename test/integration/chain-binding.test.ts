import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCommand } from '../support/command.ts'
import { createWorld, register, untilStatus, type World } from '../support/confirmd.ts'
import { randomHash, startScriptedNode } from '../support/scripted-node.ts'
import { until } from '../support/until.ts'

const KAIROS_ID = 1_001

describe('the name of a chain', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld('table')
  })
  afterEach(() => world.close())

  const bound = () => world.db('confirmd.chains').select('name', 'chain_id', 'anchor_number', 'anchor_hash')

  async function settleOne(): Promise<void> {
    const { url, stop } = await world.start()
    const txHash = randomHash()
    world.node.include(txHash)
    await register(url, { txHash })
    await untilStatus(world.db, txHash, 'confirmed')
    await stop()
  }

  /** As the same chain would be if it were begun anew: other blocks, the same id. */
  function beginAnew(blocks: number): void {
    world.node.fork(0)
    world.node.mine(blocks)
  }

  const confirmd = (...parameters: string[]) => runCommand(parameters, world.environment)

  it('means what the first node showed, and is bound to its newest final block', async () => {
    await world.start('api')
    expect(await bound()).toEqual([])
    await world.start('worker', { FINALITY_DEPTH_BLOCKS: '3' })
    const [chain] = await until('it is bound', async () => {
      const found = await bound()
      return found.length > 0 && found
    })
    expect(chain).toEqual({
      ...{ name: 'kaia', chain_id: '8217' },
      ...{ anchor_number: '97', anchor_hash: `0x${(97).toString(16).padStart(64, '0')}` },
    })
    await world.stopAll()
    world.node.mine(20)
    await settleOne()
    expect(await bound()).toEqual([chain])
  })

  it.each(['start', 'api', 'worker'] as const)(
    'is not taken for another chain by the settings of %s',
    async (role) => {
      await settleOne()
      const other = world.start(role, { CHAIN_ID: String(KAIROS_ID) })
      await expect(other).rejects.toThrow(
        `CHAIN_ID is ${KAIROS_ID}, but in this database the chain 'kaia' is the one with id 8217. Set CHAIN_ID=8217`,
      )
    },
  )

  it('is not taken for another chain by nodes that have its id', async () => {
    await settleOne()
    beginAnew(200)
    const { fatal } = await world.start('worker', { TEST_NOT_READY: '1' })
    const [error] = await until('it ends', () => fatal.length > 0 && fatal)
    expect(error?.message).toContain('no node of RPC_URLS is on the chain of this database')
    expect(error?.message).toContain("if the chain was begun anew, 'confirmd chain forget kaia'")
  })

  it('is not taken for another chain by a node that is shorter than what was final', async () => {
    await settleOne()
    beginAnew(5)
    const { fatal } = await world.start('worker', { TEST_NOT_READY: '1' })
    const [error] = await until('it ends', () => fatal.length > 0 && fatal)
    expect(error?.message).toContain("its newest block is 4, but in this database the chain 'kaia' had block")
  })

  it('is kept by one good node: those on another chain are left out', async () => {
    await settleOne()
    const stranger = await startScriptedNode()
    try {
      stranger.fork(0)
      stranger.mine(200)
      const { url, log } = await world.start('start', { RPC_URLS: `a=${stranger.url},b=${world.node.url}` })
      await until('it is said', () => log.some(({ msg, node }) => msg === 'node not used' && node === 'a'))
      const txHash = randomHash()
      stranger.include(txHash, { succeeded: false })
      const { body } = await register(url, { txHash })
      await until('it was looked for', () => world.node.looks(txHash).length > 1)
      expect(stranger.looks(txHash)).toEqual([])
      world.node.include(txHash)
      await untilStatus(world.db, txHash, 'confirmed')
      expect(body.id).toBeDefined()
    } finally {
      await stranger.stop()
    }
  })

  it('is bound by no single wrong answer', async () => {
    let lies = 1
    world.node.fault = (method, [block]) => {
      if (method !== 'klay_getHeaderByNumber' || block !== 'latest' || lies === 0) return null
      lies -= 1
      return { kind: 'altered', alter: (answer) => ({ ...(answer as object), hash: randomHash() }) }
    }
    await settleOne()
    expect(lies).toBe(0)
    const [{ anchor_number, anchor_hash }] = await bound()
    expect(anchor_hash).toBe(`0x${Number(anchor_number).toString(16).padStart(64, '0')}`)
  })

  it('is shown, and forgotten once nothing waits for the chain that it meant', async () => {
    await settleOne()
    const [{ anchor_number }] = await bound()
    expect((await confirmd('chain', 'list')).stdout).toMatch(
      new RegExp(`^kaia +chain id 8217 +block ${anchor_number} is 0x0{48}`),
    )
    const { url, stop } = await world.start('api')
    const txHash = randomHash()
    await register(url, { txHash })
    await stop()
    const refused = await confirmd('chain', 'forget', 'kaia')
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("1 transaction of 'kaia' still wait"),
    ])
    expect(await bound()).toHaveLength(1)
    await world.db('confirmd.transaction_history').where({ tx_hash: txHash }).delete()
    beginAnew(200)
    expect((await confirmd('chain', 'forget', 'kaia')).code).toBe(0)
    await settleOne()
    expect((await bound())[0]?.anchor_hash).not.toMatch(/^0x0{48}/)
    expect((await confirmd('chain', 'forget', 'nobody')).stderr).toContain("no chain 'nobody' is bound")
  })
})

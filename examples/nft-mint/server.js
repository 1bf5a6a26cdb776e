import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'confirmd/client'
import { openChain } from './chain.js'
import { readConfig } from './config.js'
import { createMinting, provideContract } from './minting.js'
import { openOrders } from './orders.js'
import { followOutcomes } from './outcomes.js'
import { createSite } from './site.js'

const RESUME_INTERVAL_MS = 2_000

const say = (line) => process.stdout.write(`nft-mint: ${line}\n`)

try {
  await start(readConfig())
} catch (error) {
  process.stderr.write(`nft-mint can't start: ${error.message || error.code}\n`)
  process.exit(1)
}

async function start(config) {
  const { databaseUrl, confirmdUrl, confirmdKey: apiKey, isDevelopment, port } = config
  const confirmd = createClient({ url: confirmdUrl, ...(apiKey ? { apiKey } : {}) })
  const orders = await openOrders(databaseUrl)
  const chain = await openChain(config)
  const contract = await provideContract(orders, chain)

  const onChange = () => site.showOrders()
  const minting = createMinting({ orders, chain, contract, confirmd, onChange })
  const site = createSite({ orders, minting, confirmdUrl, isDevelopment })

  void carryOnAgainAndAgain(minting)
  void followOutcomes({ confirmd, orders, refresh: minting.refresh, onChange, say })
  const url = await site.listen(port)
  say(`contract ${contract}, confirmd at ${confirmdUrl}`)
  say(`open ${url}`)

  // At once: what is under way may be cut off anywhere, the next start carries on with it.
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(0))
}

/** First with all that an earlier process has left, then with what did not work at once. */
async function carryOnAgainAndAgain({ refresh, resume }) {
  for (let carryOn = refresh; ; await sleep(RESUME_INTERVAL_MS)) {
    try {
      await carryOn()
      carryOn = resume
    } catch (error) {
      say(`tried again in 2 s: ${error.message}`)
    }
  }
}

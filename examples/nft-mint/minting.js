import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ATTEMPTS, KIND } from './attempts.js'

const CONTRACT_SETTING = 'contract'
const POOL_POLL_MS = 500
const POOL_TIMEOUT_MS = 20_000

/** Uses the contract that an earlier start has deployed, if the chain still has it. */
export async function provideContract(orders, chain) {
  const known = await orders.setting(CONTRACT_SETTING)
  if (known && (await chain.hasContract(known))) return known
  const address = await chain.deploy()
  await orders.set(CONTRACT_SETTING, address)
  return address
}

/**
 * The order of an order: stored, signed and its hash stored, registered, sent. Each step may be repeated and is found
 * undone by the next start, so a process that dies between any two loses nothing and mints nothing twice. Registered
 * before it is sent: whatever is on the chain is watched.
 */
export function createMinting({ orders, chain, contract, confirmd, onChange }) {
  async function carryOn(id) {
    try {
      const order = await orders.sign(id, chain.sender, sign)
      const transactionId = await register(order)
      await send(order, transactionId)
    } catch (error) {
      // Tried again by `resume`.
      await orders.hasProblem(id, error.message)
    } finally {
      onChange()
    }
  }

  async function sign({ attempt, recipient }, unsentNonce) {
    const { hashPrefix, amount, isCancelled } = ATTEMPTS[attempt]
    if (hashPrefix) return { ...sandboxHash(hashPrefix), rawTransactions: [] }
    // Asked after the database: what was sent meanwhile is then in the node's answer.
    const free = Math.max(await chain.nextNonce(), (unsentNonce ?? -1) + 1)
    // One that is to be cancelled leaves a gap before it, and so waits in the pool until the gap is filled.
    const nonce = isCancelled ? free + 1 : free
    const { txHash, rawTransaction } = await chain.signMint({ contract, recipient, amount, nonce })
    if (!isCancelled) return { txHash, nonce, rawTransactions: [rawTransaction] }
    const [cancel, filler] = [await chain.signCancel({ nonce }), await chain.signCancel({ nonce: free })]
    return { txHash, nonce, rawTransactions: [rawTransaction, cancel.rawTransaction, filler.rawTransaction] }
  }

  async function register({ id, tx_hash: txHash, sender, nonce }) {
    const transaction = await confirmd.track({
      ...{ txHash, kind: KIND, payload: { orderId: id } },
      // What differs from the chain is reported, in its diagnosis.
      ...(sender === null ? {} : { from: sender, nonce: Number(nonce) }),
    })
    await orders.registered(id, transaction.id)
    await orders.note(txHash, transaction.status)
    return transaction.id
  }

  async function send({ id, sent_at: sentAt, raw_transactions: rawTransactions }, transactionId) {
    if (sentAt !== null) return
    const [mint, ...cancelling] = rawTransactions
    if (mint) await sendUnlessReplaced(mint, cancelling.length > 0)
    if (cancelling.length > 0) await untilSeenInPool(transactionId)
    for (const rawTransaction of cancelling) await chain.send(rawTransaction)
    await orders.sent(id)
  }

  /** A node refuses what an earlier try has replaced. */
  async function sendUnlessReplaced(rawTransaction, mayBeReplaced) {
    try {
      await chain.send(rawTransaction)
    } catch (error) {
      if (!mayBeReplaced) throw error
    }
  }

  /** confirmd calls a transaction replaced only if a node has shown it: what its caller says of it is no evidence. */
  async function untilSeenInPool(transactionId) {
    const deadline = Date.now() + POOL_TIMEOUT_MS
    while (Date.now() < deadline) {
      const { looks } = await confirmd.get(transactionId)
      if (looks.some(({ saw }) => saw === 'in-pool')) return
      await sleep(POOL_POLL_MS)
    }
  }

  return {
    /** A new order, or the one that this click has made before. */
    place: async (request) => {
      const order = await orders.place(request)
      if (order.attempt !== request.attempt || order.recipient !== request.recipient) return null
      if (order.state === 'new') await carryOn(order.id)
      return orders.read(order.id)
    },
    /** What an earlier process has left undone, or what did not work at first. */
    resume: async () => {
      for (const id of await orders.open({ isAll: false })) await carryOn(id)
    },
    /** Asks confirmd of every order without a verdict: to register again changes nothing and tells its status. */
    refresh: async () => {
      for (const id of await orders.open({ isAll: true })) await carryOn(id)
    },
  }
}

function sandboxHash(prefix) {
  const digits = randomBytes(32).toString('hex')
  return { txHash: prefix + digits.slice(prefix.length - '0x'.length), nonce: null }
}

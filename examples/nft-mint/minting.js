import { randomBytes } from 'node:crypto'
import { ATTEMPTS, KIND } from './attempts.js'

const CONTRACT_SETTING = 'contract'

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
      await register(order)
      await send(order)
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
    const nonce = Math.max(await chain.nextNonce(), (unsentNonce ?? -1) + 1)
    const { txHash, rawTransaction } = await chain.signMint({ contract, recipient, amount, nonce })
    const rawTransactions = [rawTransaction]
    if (isCancelled) rawTransactions.push((await chain.signCancel({ nonce })).rawTransaction)
    return { txHash, nonce, rawTransactions }
  }

  async function register({ id, tx_hash: txHash, sender, nonce }) {
    const transaction = await confirmd.track({
      ...{ txHash, kind: KIND, payload: { orderId: id } },
      // With these confirmd notices if another transaction takes its place.
      ...(sender === null ? {} : { from: sender, nonce: Number(nonce) }),
    })
    await orders.registered(id, transaction.id)
    await orders.note(txHash, transaction.status)
  }

  async function send({ id, sent_at: sentAt, raw_transactions: rawTransactions }) {
    if (sentAt !== null) return
    let failure = null
    for (const rawTransaction of rawTransactions) {
      // Once the second is there, the node refuses the first: the last one decides.
      failure = await chain.send(rawTransaction).then(
        () => null,
        (error) => error,
      )
    }
    if (failure) throw failure
    await orders.sent(id)
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

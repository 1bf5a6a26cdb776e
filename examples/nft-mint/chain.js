import { readFileSync } from 'node:fs'
import Caver from 'caver-js'

const CONTRACT = JSON.parse(readFileSync(new URL('contract/ExampleNft.json', import.meta.url), 'utf8'))
const GAS = { deploy: 3_000_000, mint: 500_000, cancel: 21_000 }
/** caver-js waits for a node without a limit. */
const ANSWER_TIMEOUT_MS = 10_000
const RECEIPT_POLL_MS = 300

/** The chain through caver-js: signs and sends, but not both at once, so that a hash is stored before it is sent. */
export async function openChain({ rpcUrl, privateKey }) {
  const caver = new Caver(rpcUrl)
  const keyring = caver.wallet.keyring.createFromPrivateKey(privateKey)
  const sender = keyring.address.toLowerCase()
  const chainId = await answer(caver.rpc.klay.getChainId())

  async function sign(fields) {
    const transaction = caver.transaction.legacyTransaction.create({
      from: sender,
      chainId,
      value: '0x0',
      ...fields,
    })
    await transaction.sign(keyring)
    return { txHash: transaction.getTransactionHash(), rawTransaction: transaction.getRLPEncoding() }
  }

  /** The first nonce that neither the chain nor the pool of the node has. */
  const nextNonce = async () => Number(await answer(caver.rpc.klay.getTransactionCount(sender, 'pending')))

  /** Twice what the node asks, so that it is included even if the price rises before it is sent. */
  const gasPrice = async () => BigInt(await answer(caver.rpc.klay.getGasPrice())) * 2n

  /** Safe to repeat: a node takes a transaction once, by its hash. */
  async function send(rawTransaction) {
    try {
      await answer(
        new Promise((resolve, reject) => {
          const sending = caver.rpc.klay.sendRawTransaction(rawTransaction)
          // caver-js goes on to wait for the receipt, which is confirmd's part; only the node's answer is wanted.
          sending
            .once('transactionHash', resolve)
            .on('error', reject)
            .catch(() => undefined)
        }),
      )
    } catch (error) {
      const known = await answer(caver.rpc.klay.getTransactionByHash(caver.utils.sha3(rawTransaction)))
      if (!known) throw error
    }
  }

  return {
    sender,
    nextNonce,
    send,

    hasContract: async (address) => (await answer(caver.rpc.klay.getCode(address))).length > '0x'.length,

    /** Resolves with the address of a new contract. */
    deploy: async () => {
      const { txHash, rawTransaction } = await sign({
        ...{ input: CONTRACT.bytecode, gas: hex(GAS.deploy) },
        ...{ nonce: hex(await nextNonce()), gasPrice: hex(await gasPrice()) },
      })
      await send(rawTransaction)
      for (;;) {
        const receipt = await answer(caver.rpc.klay.getTransactionReceipt(txHash))
        if (receipt) return receipt.contractAddress
        await new Promise((resolve) => setTimeout(resolve, RECEIPT_POLL_MS))
      }
    },

    signMint: async ({ contract, recipient, amount, nonce }) =>
      sign({
        ...{ to: contract, input: mintCall(caver, contract, recipient, amount), gas: hex(GAS.mint) },
        ...{ nonce: hex(nonce), gasPrice: hex(await gasPrice()) },
      }),

    /** Takes the place of a transaction that is not in a block yet: it has its nonce and pays twice its price. */
    signCancel: async ({ nonce }) =>
      sign({
        ...{ to: sender, gas: hex(GAS.cancel) },
        ...{ nonce: hex(nonce), gasPrice: hex((await gasPrice()) * 2n) },
      }),
  }
}

function mintCall(caver, contract, recipient, amount) {
  return caver.contract.create(CONTRACT.abi, contract).methods.mint(recipient, amount).encodeABI()
}

function hex(number) {
  return `0x${number.toString(16)}`
}

async function answer(asked) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the node did not answer in time')), ANSWER_TIMEOUT_MS)
  })
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}

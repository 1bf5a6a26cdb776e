import CaverClass from 'caver-js'
import { createRpcTransport } from '../chain/rpc-transport.ts'
import { createCaverProvider } from './caver-provider.ts'

/** Sends transactions to the development chain through caver-js, as a backend would. */
export interface DemoSender {
  /** A transfer that succeeds; resolves with its hash. */
  transfer(): Promise<string>
  /** A call of a contract that always reverts; resolves with its hash. */
  revert(): Promise<string>
  close(): Promise<void>
}

/** anvil's first account, funded; its key is public. */
const DEVELOPMENT_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const RECIPIENT = '0x00000000000000000000000000000000000000aa'
/** Deploys the code PUSH1 0 PUSH1 0 REVERT: a contract of which every call reverts. */
const REVERTING_CONTRACT = '0x6005600c60003960056000f360006000fd'
const GAS_PRICE_WEI = '0x746a528800'
const GAS = '0x186a0'

/** What of caver-js is used here; its own types do not cover the wallet and its transactions. */
interface SigningCaver {
  wallet: {
    keyring: { createFromPrivateKey(key: string): { address: string } }
    add(keyring: object): void
    sign(address: string, transaction: object): Promise<unknown>
  }
  transaction: {
    legacyTransaction: {
      create(fields: object): { getRLPEncoding(): string; getTransactionHash(): string }
    }
  }
  rpc: {
    klay: {
      getTransactionCount(address: string): Promise<string>
      getTransactionReceipt(hash: string): Promise<{ contractAddress: string } | null>
      sendRawTransaction(rlp: string): {
        once(event: 'transactionHash', listener: (hash: string) => void): void
        on(event: 'error', listener: (error: Error) => void): void
        catch(listener: () => void): void
      }
    }
  }
}

export async function createDemoSender(rpcUrl: string, chainId: number): Promise<DemoSender> {
  const transport = createRpcTransport({
    name: 'development chain',
    url: rpcUrl,
    timeoutMs: 10_000,
    maxAnswerBytes: 1_000_000,
    redact: (text) => text,
  })
  const Caver = CaverClass as unknown as new (provider: object) => SigningCaver
  const caver = new Caver(createCaverProvider(transport))
  const keyring = caver.wallet.keyring.createFromPrivateKey(DEVELOPMENT_KEY)
  caver.wallet.add(keyring)
  let nonce = Number(await caver.rpc.klay.getTransactionCount(keyring.address))

  async function send(fields: { to?: string; input?: string; value: string }): Promise<string> {
    const transaction = caver.transaction.legacyTransaction.create({
      from: keyring.address,
      gas: GAS,
      gasPrice: GAS_PRICE_WEI,
      nonce: `0x${nonce.toString(16)}`,
      chainId: `0x${chainId.toString(16)}`,
      ...fields,
    })
    await caver.wallet.sign(keyring.address, transaction)
    nonce += 1
    const sent = caver.rpc.klay.sendRawTransaction(transaction.getRLPEncoding())
    // caver-js goes on to wait for the receipt by itself and rejects on a revert; only the hash is wanted here.
    sent.catch(() => undefined)
    return new Promise((resolve, reject) => {
      sent.once('transactionHash', resolve)
      sent.on('error', reject)
    })
  }

  const deployment = await send({ input: REVERTING_CONTRACT, value: '0x0' })
  const contract = await contractAddress(caver, deployment)
  return {
    transfer: () => send({ to: RECIPIENT, value: '0x1' }),
    revert: () => send({ to: contract, input: '0x00000000', value: '0x0' }),
    close: () => transport.close(),
  }
}

async function contractAddress(caver: SigningCaver, deployment: string): Promise<string> {
  for (;;) {
    const receipt = await caver.rpc.klay.getTransactionReceipt(deployment)
    if (receipt) return receipt.contractAddress
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

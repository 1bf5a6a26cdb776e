import type { TransactionView } from '../domain/transaction-view.ts'
import { coins, gwei, wholeNumber } from './amount.ts'

interface Props {
  readonly receipt: NonNullable<TransactionView['receipt']>
  readonly chain: string
}

const NO_USABLE_VALUE = 'the node gave no usable value'

export function ReceiptPanel({ receipt, chain }: Props) {
  const { blockNumber, blockHash, transactionIndex, gasUsed, effectiveGasPrice } = receipt
  const feeWei =
    effectiveGasPrice === null || gasUsed === null ? null : BigInt(gasUsed) * BigInt(effectiveGasPrice)
  const coin = /^kaia|^klaytn/.test(chain) ? 'KAIA' : 'coins'
  return (
    <section class="panel">
      <h2>Receipt</h2>
      <dl class="facts">
        <dt>Block</dt>
        <dd>
          {wholeNumber(blockNumber)} <code>{blockHash}</code>
        </dd>
        <dt>Place in the block</dt>
        <dd>{transactionIndex ?? NO_USABLE_VALUE}</dd>
        <dt>Gas used</dt>
        <dd>{gasUsed === null ? NO_USABLE_VALUE : wholeNumber(gasUsed)}</dd>
        <dt>Gas price</dt>
        <dd>
          {effectiveGasPrice === null
            ? NO_USABLE_VALUE
            : `${gwei(effectiveGasPrice)} (${wholeNumber(effectiveGasPrice)} wei)`}
        </dd>
        {feeWei !== null && (
          <>
            <dt>Fee</dt>
            <dd>
              {coins(feeWei)} {coin} ({wholeNumber(feeWei.toString())} wei)
            </dd>
          </>
        )}
      </dl>
    </section>
  )
}

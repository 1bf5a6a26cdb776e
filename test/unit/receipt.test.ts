import { describe, expect, it } from 'vitest'
import { readBlockReceipts, readReceipt } from '../../src/chain/facts/receipt.ts'
import { failureOf, type Receipt } from '../../src/domain/receipt.ts'
import { NAMESPACES, RECORDINGS, recordedAnswer, recordedFields, recording } from '../support/kaia-answers.ts'

/** Of the transactions that were included, with how they ended. */
const FAILED: Readonly<Record<string, string>> = { revert: '0x9', feeDelegatedRevert: '0x9', outOfGas: '0x7' }
const INCLUDED = RECORDINGS.filter(({ name, hash }) => hash !== undefined && name !== 'never')

const METHOD = 'klay_getTransactionReceipt'
const TX_HASH = recording('legacy').hash ?? ''
const legacy = (changes: object = {}) => ({ ...recordedFields('legacy', METHOD), ...changes })

function read(answer: unknown, txHash = TX_HASH): Receipt {
  const receipt = readReceipt({ txHash }, answer)
  if (!receipt) throw new Error('it was read as absence')
  return receipt
}

describe.each(NAMESPACES)('a recorded receipt of %s', (namespace) => {
  const method = `${namespace}_getTransactionReceipt`

  it.each(INCLUDED)('$name is read whole, without a note', ({ name, hash = '' }) => {
    const answer = recordedFields(name, method)
    const { logsBloom: _, ...kept } = answer
    const txError = FAILED[name] ?? null
    expect(read(answer, hash)).toEqual({
      txHash: hash,
      succeeded: txError === null,
      // Kaia's eth namespace has no txError.
      txError: namespace === 'eth' ? null : txError,
      blockNumber: Number(answer['blockNumber']),
      blockHash: answer['blockHash'],
      transactionIndex: Number(answer['transactionIndex']),
      gasUsed: BigInt(String(answer['gasUsed'])).toString(),
      effectiveGasPriceWei: BigInt(String(answer['effectiveGasPrice'])).toString(),
      sender: answer['from'],
      nonce: namespace === 'eth' ? null : Number(answer['nonce']),
      raw: kept,
      notes: [],
    })
  })

  it('of a transaction that was never sent is absence', () => {
    const { hash = '' } = recording('never')
    expect(readReceipt({ txHash: hash }, recordedAnswer('never', method))).toBeNull()
  })
})

it.each(['block', 'block-concat'].flatMap((name) => NAMESPACES.map((namespace) => [name, namespace])))(
  'all receipts of the recorded %s are read in %s',
  (name = '', namespace = '') => {
    const block = recordedFields(name, `${namespace}_getBlockByNumber`)
    const of = { hash: String(block['hash']), number: Number(block['number']) }
    const receipts = readBlockReceipts(of, recordedAnswer(name, `${namespace}_getBlockReceipts`)) ?? []
    expect(receipts.map(({ txHash }) => txHash)).toEqual(block['transactions'])
    expect(receipts.flatMap(({ notes }) => notes)).toEqual([])
  },
)

describe('a receipt', () => {
  it('has hashes and addresses in lower case, and amounts beyond 2^53 exact', () => {
    const blockHash = `0x${'CD'.repeat(32)}`
    const receipt = read(
      legacy({
        transactionHash: `0x${TX_HASH.slice(2).toUpperCase()}`,
        blockHash,
        from: `0x${'AB'.repeat(20)}`,
        gasUsed: '0x20000000000001',
        effectiveGasPrice: `0x${'f'.repeat(64)}`,
      }),
    )
    expect(receipt).toMatchObject({
      blockHash: blockHash.toLowerCase(),
      sender: `0x${'ab'.repeat(20)}`,
      gasUsed: '9007199254740993',
      notes: [],
    })
    expect(receipt.effectiveGasPriceWei).toHaveLength(78)
  })

  it('of an older Kaia node has gasPrice instead of effectiveGasPrice', () => {
    const { effectiveGasPrice: _, ...older } = legacy({ gasPrice: '0x19' })
    expect(read(older)).toMatchObject({ effectiveGasPriceWei: '25', notes: [] })
  })

  it.each([
    ['of another transaction', { transactionHash: `0x${'00'.repeat(32)}` }],
    ['without the hash of its transaction', { transactionHash: undefined }],
    ['without a status', { status: undefined }],
    ['with a status that is neither 0 nor 1', { status: '0x2' }],
    ['with a status of another type', { status: true }],
    ['with a status that is a number', { status: 1 }],
    ['that succeeded, with the reason of a failure', { txError: '0x9' }],
    ['without a block hash, as of a pending one', { blockHash: null }],
    ['with a block hash that is cut', { blockHash: '0xab' }],
    ['without a block number', { blockNumber: null }],
    ['with a block number that is none', { blockNumber: 'latest' }],
    ['with a block number beyond 2^53', { blockNumber: `0x${'f'.repeat(20)}` }],
  ])('%s says nothing', (_title, change) => {
    expect(() => read(legacy(change))).toThrow(/^it is|^it has|^its /)
  })

  it.each([['a text'], [7], [[]], [true], [undefined]])(
    'that is %j is no receipt, and no absence',
    (answer) => {
      expect(() => readReceipt({ txHash: TX_HASH }, answer)).toThrow('it is no receipt')
    },
  )

  it.each([
    ['gasUsed', [undefined, null, '', '-1', 7, {}, `0x${'f'.repeat(65)}`]],
    ['transactionIndex', [undefined, null, '0x80000000', 'x', []]],
    ['from', [undefined, null, '0x', 'null', `0x${'g'.repeat(40)}`]],
    ['effectiveGasPrice', ['x', {}, '0x']],
    ['nonce', ['x', `0x${'f'.repeat(20)}`]],
    ['txError', [9, 'reverted', `0x${'1'.repeat(9)}`]],
  ])('with an unusable %s, which decides nothing, is used without it and notes it', (field, values) => {
    const columns: Record<string, keyof Receipt> = {
      from: 'sender',
      effectiveGasPrice: 'effectiveGasPriceWei',
    }
    const { gasPrice: _, ...withoutOlderPrice } = legacy()
    for (const value of values) {
      const receipt = read({ ...withoutOlderPrice, [field]: value })
      expect(receipt[columns[field] ?? (field as keyof Receipt)]).toBeNull()
      expect(receipt.notes).toEqual([expect.stringContaining(`the receipt is used without ${field}: it`)])
    }
  })

  it('is kept as the node gave it, but for what PostgreSQL can not store: that is replaced and noted', () => {
    const receipt = read(
      legacy({
        type: 'with \0 and \ud800',
        'key \udc00': { deeper: ['\0'] },
        long: 'x'.repeat(2_000),
        input: `0x${'ab'.repeat(200_000)}`,
      }),
    )
    expect(receipt.raw).toMatchObject({
      type: 'with \ufffd and \ufffd',
      'key \ufffd': { deeper: ['\ufffd'] },
      input: `0x${'ab'.repeat(200_000)}`,
    })
    expect(String((receipt.raw as { long: string }).long)).toHaveLength(1_000)
    expect(receipt.notes).toEqual([expect.stringContaining('4 text(s) of the receipt')])
  })

  it('that is nested too deeply is kept as far as it can be', () => {
    let deep: unknown = 'end'
    for (let depth = 0; depth < 10_000; depth++) deep = [deep]
    const receipt = read(legacy({ logs: deep }))
    expect(JSON.stringify(receipt.raw)).toContain(`${'['.repeat(63)}null`)
    expect(receipt.notes).toEqual([expect.stringContaining('nested deeper than 64 levels')])
  })
})

describe('the receipts of a block', () => {
  const block = recordedFields('block', 'klay_getBlockByNumber')
  const of = { hash: String(block['hash']), number: Number(block['number']) }
  const answers = () => recordedAnswer('block', 'klay_getBlockReceipts') as Record<string, unknown>[]
  const hashes = (receipts: readonly Receipt[] | null) => receipts?.map(({ txHash }) => txHash)

  it.each([
    ['can not be read', { status: '0x7' }],
    ['is of another block', { blockHash: `0x${'1'.repeat(64)}` }],
    ['is of another height', { blockNumber: '0x1' }],
    [
      'claims the hash of another one, which is there too',
      { transactionHash: answers()[1]?.['transactionHash'] },
    ],
  ])('are those that can be used: one that %s is left out', (_title, change) => {
    const given = answers()
    Object.assign(given[0] ?? {}, change)
    const twice = 'transactionHash' in change ? 2 : 1
    expect(hashes(readBlockReceipts(of, given))).toEqual(
      answers()
        .slice(twice)
        .map(({ transactionHash }) => transactionHash),
    )
  })

  it('are absent if the node has none of the block, and unusable if they are no list', () => {
    expect(readBlockReceipts(of, null)).toBeNull()
    expect(() => readBlockReceipts(of, {})).toThrow('it is no list of receipts: an object')
  })
})

describe("a failure has Kaia's reason", () => {
  const reasonOf = (txError?: string) => failureOf(read(legacy({ status: '0x0', txError })))

  it.each([
    ['0x2', 'VM error while running the contract'],
    ['0x7', 'out of gas'],
    ['0x09', 'execution reverted'],
    ['0xa', 'computation cost limit reached'],
    ['0x0e', 'fee ratio out of [1, 99]'],
    ['0x1e', 'smart contract code format invalid'],
  ])('%s: %s', (code, name) => {
    expect(reasonOf(code)).toEqual({ code, name })
  })

  it('every code of the table has a name of its own', () => {
    const names = Array.from({ length: 29 }, (_, index) => reasonOf(`0x${(index + 2).toString(16)}`)?.name)
    expect(new Set(names).size).toBe(29)
    expect(names.filter((name) => name?.startsWith('unknown'))).toEqual([])
  })

  it('an unknown code is shown as it is; without one it is a revert', () => {
    expect(reasonOf('0x63')).toEqual({ code: '0x63', name: 'unknown txError 0x63' })
    expect(reasonOf()).toEqual({ code: null, name: 'reverted' })
  })
})

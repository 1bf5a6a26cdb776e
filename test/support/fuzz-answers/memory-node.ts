import { isDeepStrictEqual } from 'node:util'
import { RpcError } from '../../../src/chain/rpc-error.ts'
import { RPC_METHODS } from '../../../src/chain/rpc-methods.ts'
import type { JsonRpcPayload, JsonRpcRequest, RpcTransport } from '../../../src/chain/rpc-transport.ts'
import type { Random } from '../../drill/random.ts'
import { recordedFields } from '../kaia-answers.ts'
import { blockReceiptsProblem, boundaryProblem } from './boundary-oracle.ts'
import { type Fault, ITSELF, targetOf } from './faults.ts'
import { mutatedValue, type RequestMutation } from './mutations.ts'
import type { Fields, RecordedWorld, TrueAnswer } from './recorded-world.ts'

export interface MemoryNodeOptions {
  readonly index: number
  readonly world: RecordedWorld
  readonly nowMs: () => number
  readonly random: Random
  /** Told of each fault that an answer really met. `isLie`: the answer is well-formed, and not the truth. */
  readonly onMet: (fault: Fault, isLie: boolean) => void
  /** Told of what the code made of an answer, where that is wrong. */
  readonly onProblem: (problem: string) => void
}

/** A node in memory that errs as it is told. */
export interface MemoryNode {
  readonly transport: RpcTransport
  /** What errs from now on. */
  setFaults(faults: readonly Fault[]): void
  /** Whether the last response to this call, or the chain id beside it, was such that the call has to fail. */
  mustFail(method: string, params: readonly unknown[]): boolean
}

const LITTLE_AHEAD_BLOCKS = 4
const FAR_AHEAD_BLOCKS = 5_000_000
const OLD_BLOCKS = 3
const BLOCKS_BEHIND = 40
const OTHER_CHAIN_ID = '0x3e9'

/** How the node sees the chain: as it is, or otherwise. */
type View = 'other chain' | 'stands still' | null

export function createMemoryNode(options: MemoryNodeOptions): MemoryNode {
  const { index, world, nowMs, random, onMet, onProblem } = options
  let faults: Fault[] = []
  const skipping = new Map<Fault, number>()
  const spoilt = new Set<string>()
  let wasOurChain = true
  /** Single calls after which the chain id was not asked for yet. */
  const askedSince = new Set<string>()

  /** The faults of this level that a question meets; those that are met once are used up. */
  function take<L extends Fault['level']>(
    level: L,
    fits: (fault: Extract<Fault, { level: L }>) => boolean,
  ): Extract<Fault, { level: L }>[] {
    const found = faults.filter((fault) => fault.level === level) as Extract<Fault, { level: L }>[]
    const met = found.filter(fits).filter((fault) => {
      const left = skipping.get(fault) ?? 0
      skipping.set(fault, left - 1)
      return left <= 0
    })
    faults = faults.filter((fault) => !(fault.once && met.some((each) => each === fault)))
    return met
  }

  function resultOf({ method, params }: JsonRpcRequest, view: View): TrueAnswer {
    const target = targetOf(method, params)
    const truth = viewed(view, method, params)
    if ('error' in truth) return truth
    let { result } = truth
    for (const fault of take('result', (each) => each.target === target)) {
      const changed = mutatedResult(fault.mutation, { method, params }, result)
      if (!isDeepStrictEqual(changed, result)) onMet(fault, false)
      result = changed
    }
    for (const fault of take('field', (each) => each.target === target && hasField(result, each.field))) {
      const changed = withField(result, fault.field, (value) => mutatedValue(fault.mutation, value, random))
      onMet(fault, isLie(fault, result, changed))
      result = changed
    }
    if (result !== truth.result) {
      const problem =
        method === RPC_METHODS.blockReceipts
          ? blockReceiptsProblem(
              { hash: String(params[0]), number: world.numberOf(String(params[0])) },
              result,
            )
          : boundaryProblem({ method, params, result, nowMs: nowMs() })
      if (problem) onProblem(problem)
    }
    return { result }
  }

  function viewed(view: View, method: string, params: readonly unknown[]): TrueAnswer {
    if (view === 'other chain') return otherChainAnswer(method, params)
    return view === 'stands still'
      ? world.answer(method, params, world.headAt(nowMs()) - BLOCKS_BEHIND)
      : trueAnswer(method, params)
  }

  function trueAnswer(method: string, params: readonly unknown[]): TrueAnswer {
    return world.answer(method, params, world.headAt(nowMs()))
  }

  /** A chain on which the same transaction ended in the opposite way, in a block of its own. */
  function otherChainAnswer(method: string, params: readonly unknown[]): TrueAnswer {
    const head = world.headAt(nowMs())
    if (method === RPC_METHODS.chainId) return { result: OTHER_CHAIN_ID }
    if (method === RPC_METHODS.transactionCount) return { result: '0x7d0' }
    if (method !== RPC_METHODS.receipt) return trueAnswer(method, params)
    const given = recordedFields(
      world.ending === 'confirmed' ? 'revert' : 'legacy',
      'klay_getTransactionReceipt',
    )
    const number = `0x${head.toString(16)}`
    return {
      result: { ...given, transactionHash: params[0], blockNumber: number, blockHash: world.hashOf(head) },
    }
  }

  function mutatedResult(
    mutation: Extract<Fault, { level: 'result' }>['mutation'],
    { method, params }: Pick<JsonRpcRequest, 'method' | 'params'>,
    result: unknown,
  ): unknown {
    const head = world.headAt(nowMs())
    switch (mutation) {
      case 'absent':
        return null
      case 'an empty list':
        return []
      case 'an empty object':
        return {}
      case 'an empty text':
        return ''
      case 'a number':
        return 7
      case 'true':
        return true
      case 'of another question':
        return answerOfAnother(method, result)
      case 'old':
        return resultAt(method, params, head - OLD_BLOCKS)
      case 'far ahead':
        return headerAhead(FAR_AHEAD_BLOCKS, result)
      case 'a little ahead':
        return headerAhead(LITTLE_AHEAD_BLOCKS, result)
      case 'doubled':
        return doubled(result)
    }
  }

  function answerOfAnother(method: string, result: unknown): unknown {
    const other = world.name === 'legacy' ? 'valueTransfer' : 'legacy'
    if (method === RPC_METHODS.receipt) return recordedFields(other, 'klay_getTransactionReceipt')
    if (method === RPC_METHODS.transaction) return recordedFields(other, 'klay_getTransactionByHash')
    if (method === RPC_METHODS.block || method === RPC_METHODS.header) {
      return recordedFields('block-concat', 'klay_getBlockByNumber')
    }
    return result
  }

  function resultAt(method: string, params: readonly unknown[], head: number): unknown {
    const answer = world.answer(method, params, head)
    return 'error' in answer ? null : answer.result
  }

  function headerAhead(blocks: number, result: unknown): unknown {
    const number = world.headAt(nowMs()) + blocks
    const fields = { number: `0x${number.toString(16)}`, hash: world.hashOf(number) }
    return typeof result === 'object' && result !== null ? { ...result, ...fields } : result
  }

  /** The response objects to one request: none, one, or two. */
  function responsesTo(request: JsonRpcRequest, view: View, answeredWell: Set<string>): object[] {
    const answer = resultOf(request, view)
    let responses: object[] = [{ jsonrpc: '2.0', id: request.id, ...answer }]
    const target = targetOf(request.method, request.params)
    let isSpoilt = false
    for (const fault of take('response', (each) => each.target === target)) {
      isSpoilt = true
      responses = responses.flatMap((response) => mutatedResponses(fault.mutation, response))
      onMet(fault, false)
    }
    // Where a batch asks the same twice, one good response is enough.
    if (isSpoilt && !answeredWell.has(keyOf(request))) spoilt.add(keyOf(request))
    else {
      spoilt.delete(keyOf(request))
      answeredWell.add(keyOf(request))
    }
    return responses
  }

  function answerRequest(payload: JsonRpcPayload): unknown {
    const requests = [payload].flat() as JsonRpcRequest[]
    const isBatch = Array.isArray(payload)
    const met = take('request', ({ mutation }) => isBatch || !ONLY_BATCHES.has(mutation))
    for (const fault of met) onMet(fault, false)
    const mutation = met[0]?.mutation
    if (mutation) {
      const refusal = refusalOf(mutation, isBatch)
      if (refusal) return refusal.answer
    }
    const view = mutation === 'other chain' || mutation === 'stands still' ? mutation : null
    const answeredWell = new Set<string>()
    const responses = requests.flatMap((request) => responsesTo(request, view, answeredWell))
    const shown = mutation === 'other chain id' ? withOtherChainId(requests, responses) : responses
    if (isBatch && !isOurChain(requests[0], shown)) for (const request of requests) spoilt.add(keyOf(request))
    if (isBatch) return shown
    if (requests[0]) noteSingle(requests[0], shown)
    const [response, ...more] = shown
    if (more.length > 0) return shown
    if (response && 'error' in response && !('result' in response)) throw rpcError(response.error)
    return response ?? {}
  }

  /** A single call counts only if the chain was ours when it was asked for last, and is ours the next time. */
  function noteSingle(request: JsonRpcRequest, responses: readonly object[]): void {
    if (request.method !== RPC_METHODS.chainId) {
      if (!wasOurChain) spoilt.add(keyOf(request))
      askedSince.add(keyOf(request))
      return
    }
    wasOurChain = isOurChain(request, responses)
    if (!wasOurChain) for (const key of askedSince) spoilt.add(key)
    askedSince.clear()
  }

  /** Whether the first request, which is that for the chain id, has one response, and the right one. */
  function isOurChain(first: JsonRpcRequest | undefined, responses: readonly object[]): boolean {
    const found = responses.filter((response) => 'id' in response && response.id === first?.id)
    const right = { jsonrpc: '2.0', id: first?.id, result: `0x${world.chainId.toString(16)}` }
    return isDeepStrictEqual(found, [right])
  }

  function rpcError(error: unknown): RpcError {
    return new RpcError('rpc-error', { node: `node-${index}`, method: 'any' }, JSON.stringify(error))
  }

  function refusalOf(mutation: RequestMutation, isBatch: boolean): { readonly answer: unknown } | null {
    const fail = (code: 'http-status' | 'timeout' | 'network' | 'rate-limited') => {
      throw new RpcError(code, { node: `node-${index}`, method: isBatch ? 'batch' : 'any' }, code)
    }
    switch (mutation) {
      case 'batches refused':
        throw rpcError({ code: -32_000, message: 'batch limit exceeded' })
      case 'empty list':
        return { answer: [] }
      case 'null':
        return { answer: null }
      case 'HTTP 500':
        return fail('http-status')
      case 'timeout':
        return fail('timeout')
      case 'connection lost':
        return fail('network')
      case 'busy':
        return fail('rate-limited')
      case 'other chain':
      case 'other chain id':
      case 'stands still':
        return null
    }
  }

  return {
    transport: {
      node: `node-${index}`,
      send: async (payload) => answerRequest(payload),
      close: async () => undefined,
    },
    setFaults: (now) => {
      faults = now.filter(({ node }) => node === index)
      skipping.clear()
      for (const fault of faults) skipping.set(fault, fault.skipped)
    },
    mustFail: (method, params) => {
      const key = keyOf({ method, params })
      return spoilt.has(key) || askedSince.has(key)
    },
  }
}

function keyOf({ method, params }: Pick<JsonRpcRequest, 'method' | 'params'>): string {
  return JSON.stringify([method, params])
}

const ONLY_BATCHES: ReadonlySet<RequestMutation> = new Set(['batches refused'])

function withOtherChainId(requests: readonly JsonRpcRequest[], responses: readonly object[]): object[] {
  const identities = new Set(
    requests.filter(({ method }) => method === RPC_METHODS.chainId).map(({ id }) => id),
  )
  return responses.map((response) =>
    'id' in response && identities.has(response.id as number)
      ? { ...response, result: OTHER_CHAIN_ID }
      : response,
  )
}

function mutatedResponses(
  mutation: Extract<Fault, { level: 'response' }>['mutation'],
  response: object,
): object[] {
  const { result, ...rest } = response as { result?: unknown; id: number; jsonrpc: string }
  const error = { code: -32_000, message: 'transaction indexing is in progress' }
  switch (mutation) {
    case 'error':
      return [{ ...rest, error }]
    case 'no result':
      return [rest]
    case 'result and error':
      return [{ ...response, result: result ?? {}, error }]
    case 'other id':
      return [{ ...response, id: rest.id + 1_000_000 }]
    case 'no id':
      return [{ jsonrpc: '2.0', result }]
    case 'other version':
      return [{ ...response, jsonrpc: '1.0' }]
    case 'twice':
      return [response, { ...response, result: null }]
    case 'left out':
      return []
  }
}

/** A field of an object; of a list, that of its first object. */
function hasField(result: unknown, field: string): boolean {
  if (field === ITSELF) return typeof result === 'string'
  const fields = Array.isArray(result) ? result[0] : result
  return typeof fields === 'object' && fields !== null && field in fields
}

function withField(result: unknown, field: string, change: (value: unknown) => unknown): unknown {
  if (field === ITSELF) return change(result)
  if (Array.isArray(result)) return [withField(result[0], field, change), ...result.slice(1)]
  const { [field]: value, ...rest } = result as Fields
  const changed = change(value)
  return changed === undefined ? rest : { ...rest, [field]: changed }
}

/** The first of a list a second time, ended in the opposite way. */
function doubled(result: unknown): unknown {
  const first = Array.isArray(result) ? (result as Fields[])[0] : undefined
  if (!first || !('status' in first)) return result
  return [
    ...(result as Fields[]),
    { ...first, status: first['status'] === '0x1' ? '0x0' : '0x1', txError: undefined },
  ]
}

const STATES = ['0x0', '0x1']
const ADDRESS = /^0x[0-9a-f]{40}$/i
const QUANTITY = /^0x[0-9a-f]{1,64}$/i

/**
 * Whether the answer is well-formed and says something else about the transaction than is true: how it ended, who sent
 * it with which nonce, or how many transactions its sender has. One node's word can't tell it from the truth.
 */
function isLie(fault: Extract<Fault, { level: 'field' }>, before: unknown, after: unknown): boolean {
  const { target, field } = fault
  const shownIn = (result: unknown) => (field === ITSELF ? result : (result as Fields)[field])
  const value = shownIn(after)
  if (value === shownIn(before)) return false
  if (target === 'receipt' && field === 'status') {
    const contradictsItself = value === '0x1' && (after as Fields)['txError'] !== undefined
    return STATES.includes(String(value)) && !contradictsItself
  }
  if (target === 'transaction' && field === 'from') return ADDRESS.test(String(value))
  if (target === 'transaction' && field === 'nonce') return QUANTITY.test(String(value))
  return target === 'transactionCount' && QUANTITY.test(String(value))
}

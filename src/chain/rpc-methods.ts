/** The JSON-RPC methods that are used, by what they ask for. */
export const RPC_METHODS = {
  chainId: 'klay_chainID',
  header: 'klay_getHeaderByNumber',
  block: 'klay_getBlockByNumber',
  blockReceipts: 'klay_getBlockReceipts',
  receipt: 'klay_getTransactionReceipt',
  transaction: 'klay_getTransactionByHash',
  transactionCount: 'klay_getTransactionCount',
} as const

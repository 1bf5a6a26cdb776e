import orders from '../../support/handlers/orders.js'

/** What a release that knows no kinds without a write can load. */
export default orders.filter(({ noWrite }) => !noWrite)

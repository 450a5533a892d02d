-- Half of the events match the condition (amount 99.9 against 9.9); every order is another one.
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer " .. os.getenv("LOAD_HOOK_TOKEN")
local i = 0
request = function()
  i = i + 1
  local amount = (i % 2 == 0) and "99.9" or "9.9"
  return wrk.format(nil, "/hooks/shop/order.created", nil, string.format('{"event":"order.created","phone":"+33612%06d","name":"Léa Martin","amount":%s,"order":{"id":"C-%d"}}', i % 1000000, amount, i))
end

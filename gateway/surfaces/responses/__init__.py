"""OpenAI's Responses API: `/v1/responses` and what belongs to it.

request    the body becomes a `Call`          items, tools   its parts
encoder    events become frames and, from the same events, the whole object
output     the items of an answer             shell          the object around them
ids        signed ids                         kept           what is kept of a response
chain      what was said before               retries        what an SDK sends again
create, found, conversations                  the handlers
"""

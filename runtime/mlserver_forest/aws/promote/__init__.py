"""``forest promote``: one of an endpoint's variants becomes the only one."""

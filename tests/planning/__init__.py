"""Planning: tables, properties, and one test for each trap it answers."""

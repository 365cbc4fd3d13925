@manual-3.5.1
Feature: Rainbow retrieves the devices
  The CCCtrlA is also used by Rainbow to retrieve the list of OXO Connect devices.

  Rule: Rainbow has every device of the PBX, once

    Scenario Outline: A PBX with <users> users
      Given an OXO Connect with <users> users that Rainbow knows
      When the WSS link is brought up
      Then Rainbow has exactly the sets of the PBX
      And Rainbow has <users> sets

      Examples:
        | users |
        | 0     |
        | 1     |
        | 100   |
        | 300   |

    Scenario: Users with secondary sets
      Given an OXO Connect with 40 users and 25 secondary sets that Rainbow knows
      When the WSS link is brought up
      Then Rainbow has exactly the sets of the PBX
      And Rainbow has 65 sets
      And 25 secondary sets have the number of their primary set

    Scenario: A list that was written by hand
      Given an OXO Connect that Rainbow knows, with these sets:
        | number | first name | last name | family | rank       |
        | 100    | Zoë        | O'Neil    | 8068s  | primary    |
        | 100    | Zoë        | O'Neil    | DECT 8254 | secondary1 |
        | 101    | <b>&amp;   | "Quoted"  | 8028s  | primary    |
      When the WSS link is brought up
      Then Rainbow has exactly the sets of the PBX
      And Rainbow has exactly the sets of the list

    Scenario: Rainbow asks in small pages
      Given an OXO Connect with 100 users that Rainbow knows
      And Rainbow asks for 7 sets at a time
      When the WSS link is brought up
      Then Rainbow has exactly the sets of the PBX
      And Rainbow asked for at least 15 pages

    Scenario: Rainbow asks again on demand
      Given an OXO Connect with 20 users that Rainbow knows
      And the WSS link was brought up
      When Rainbow asks for the devices again
      Then Rainbow has exactly the sets of the PBX

    Scenario: Through a proxy that cannot look inside
      Given an OXO Connect with 100 users that Rainbow knows
      And the firewall is proxy-only
      And the web proxy is configured in OMC
      When the WSS link is brought up
      Then Rainbow has exactly the sets of the PBX

  Rule: A change on the PBX shows up in Rainbow

    Scenario Outline: A set is <changed> while the link is up
      Given an OXO Connect with 10 users that Rainbow knows
      And the WSS link was brought up
      When a set is <changed>
      Then Rainbow has exactly the sets of the PBX
      And Rainbow knows of the set that was <changed>

      Examples:
        | changed |
        | added   |
        | renamed |
        | removed |

    Scenario Outline: A set is <changed> while the link is cut
      Given an OXO Connect with 10 users that Rainbow knows
      And the WSS link was brought up
      And the link was cut
      And a set was <changed>
      When the link can be made again
      Then the WSS link comes up again
      And Rainbow has exactly the sets of the PBX
      And Rainbow knows of the set that was <changed>

      Examples:
        | changed |
        | added   |
        | renamed |
        | removed |

    Scenario: A set is renamed before anybody has noticed that the link is cut
      Given an OXO Connect with 10 users that Rainbow knows
      And the WSS link was brought up
      And the link has just been cut
      And a set was renamed
      And 10 minutes have passed
      When the link can be made again
      Then the WSS link comes up again
      And Rainbow has exactly the sets of the PBX
      And Rainbow knows of the set that was renamed

    Scenario: While the link is cut, Rainbow keeps what it has
      Given an OXO Connect with 10 users that Rainbow knows
      And the WSS link was brought up
      When the link is cut
      And 10 minutes pass
      Then Rainbow has exactly the sets of the PBX
      And Rainbow shows the PBX as Activated

    Scenario: Many changes at once
      Given an OXO Connect with 50 users that Rainbow knows
      And the WSS link was brought up
      When 10 sets are added, 10 renamed and 10 removed
      Then Rainbow has exactly the sets of the PBX
      And Rainbow knows of all these changes

    Scenario: After a restart of the PBX
      Given an OXO Connect with 10 users that Rainbow knows
      And the WSS link was brought up
      And a set was added
      When the PBX restarts
      Then the WSS link comes up again
      And Rainbow has exactly the sets of the PBX
      And Rainbow knows of the set that was added

  Rule: Several PBXs do not mix

    Scenario: The OXO Connect becomes another PBX of the same PCG
      Given an OXO Connect with 5 users that Rainbow knows
      And another PBX that Rainbow knows
      And the WSS link was brought up
      And the ID and activation code of the other PBX were entered in OMC
      And the WSS link came up
      When a set is added
      Then Rainbow has exactly the sets of the PBX
      And what Rainbow has under the former PBX ID is what it was
